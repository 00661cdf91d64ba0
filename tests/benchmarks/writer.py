"""The sending client of the upload benchmark, run as a lean process of its own.

``writer.py tus PORT PATH FILE COUNT [TOKEN]`` creates COUNT uploads, sends the file to each as one
PATCH, all at once, and prints the seconds that each took; ``writer.py many PORT PATH FILE COUNT``
sends it over each of COUNT connections many times, each time as an upload of its own, and prints
the seconds that each took with its creation; ``writer.py contents PORT PATH FILE COUNT`` sends it
as JupyterLab's file browser does, in pieces of 1 MiB in Base64. HTTP is spoken by hand: what the
client costs must not be measured.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from pathlib import Path

from reader import TOKEN, connect

_PIECE = 1 << 20
_MANY = 100


class Connection:
    """One connection that sends one request after the other."""

    def __init__(self, port: int) -> None:
        self._socket = connect(port)

    def request(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b"", file: str = ""
    ) -> dict[str, str]:
        length = Path(file).stat().st_size if file else len(body)
        fields = {"Host": "localhost", "Authorization": f"token {TOKEN}"} | headers
        fields["Content-Length"] = str(length)
        lines = [f"{name}: {value}" for name, value in fields.items()]
        head = "\r\n".join((f"{method} {path} HTTP/1.1", *lines, "", "")).encode()
        self._socket.sendall(head + body)
        if file:
            with Path(file).open("rb") as source:
                self._socket.sendfile(source)
        return self._answer()

    def _answer(self) -> dict[str, str]:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._socket.recv(65_536)
            if not more:
                raise ConnectionError("closed before the headers")
            data += more
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").splitlines()
        if lines[0].split()[1] not in {"200", "201", "204"}:
            raise ConnectionError(f"{lines[0]} {body!r}")
        found = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            found[name.lower()] = value
        left = int(found.get("content-length", "0")) - len(body)
        while left > 0:
            left -= len(self._socket.recv(65_536))
        return found


def create(connection: Connection, path: str, file: str, name: str) -> str:
    name = base64.b64encode(name.encode()).decode()
    basic = {"Tus-Resumable": "1.0.0"}
    size = str(Path(file).stat().st_size)
    creation = {"Upload-Length": size, "Upload-Metadata": f"filename {name}"}
    address = connection.request("POST", path, basic | creation)["location"]
    address = f"/{address.partition('://')[2].partition('/')[2]}" if "://" in address else address
    return address if address.startswith("/") else path + address


def send(connection: Connection, address: str, file: str) -> None:
    fields = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    answer = connection.request("PATCH", address, {"Tus-Resumable": "1.0.0"} | fields, file=file)
    if answer["upload-offset"] != str(Path(file).stat().st_size):
        raise ConnectionError("not all of it arrived")


def tus(connection: Connection, path: str, file: str, number: int) -> list[float]:
    address = create(connection, path, file, f"received{number}.bin")
    barrier.wait()
    start = time.perf_counter()
    send(connection, address, file)
    return [time.perf_counter() - start]


def many(connection: Connection, path: str, file: str, number: int) -> list[float]:
    barrier.wait()
    took = []
    for turn in range(_MANY):
        start = time.perf_counter()
        send(connection, create(connection, path, file, f"received{number}-{turn}.bin"), file)
        took.append(time.perf_counter() - start)
    return took


def contents(connection: Connection, path: str, file: str, number: int) -> list[float]:
    barrier.wait()
    start = time.perf_counter()
    with Path(file).open("rb") as source:
        pieces = -(-Path(file).stat().st_size // _PIECE)
        for piece in range(1, pieces + 1):
            model = {
                "type": "file",
                "format": "base64",
                "content": base64.b64encode(source.read(_PIECE)).decode(),
                "chunk": piece if piece < pieces else -1,
            }
            fields = {"Content-Type": "application/json"}
            body = json.dumps(model).encode()
            connection.request("PUT", f"{path}received{number}.bin", fields, body)
    return [time.perf_counter() - start]


WAYS = {"tus": tus, "many": many, "contents": contents}


if __name__ == "__main__":
    what, port, path, file, count = sys.argv[1:]
    way = WAYS[what]
    barrier = threading.Barrier(int(count))
    seconds: list[list[float]] = []
    threads = [
        threading.Thread(
            target=lambda number=number: seconds.append(
                way(Connection(int(port)), path, file, number)
            )
        )
        for number in range(int(count))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(seconds) != len(threads):
        sys.exit(1)
    print(json.dumps([each for one in seconds for each in one]))
