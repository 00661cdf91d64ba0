"""Measure how well set rates are held, through a real server, and how equal the shares are.

Run ``python tests/benchmarks/shaping.py``. The limits are set while the server runs. A second is
left out of each measurement, until the buffers of the sockets are full.
"""

from __future__ import annotations

import argparse
import json
import os
import selectors
import socket
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

from servers import TOKEN, Server, jupyter

WARM_UP = 1.0
MEGA = 1e6
NONE = {"transfer": 0, "user": 0, "server": 0}


def limit(server: Server, rates: dict[str, float]) -> None:
    body = json.dumps({**NONE, **rates}).encode()
    address = f"http://127.0.0.1:{server.port}/progresswidget/api/limits"
    headers = {"Authorization": f"token {TOKEN}"}
    with urlopen(Request(address, body, headers, method="PUT"), timeout=10) as answer:
        answer.read()


def connect(server: Server, user: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port))
    connection.sendall(
        f"GET {server.files}large.bin HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: token {TOKEN}\r\nX-User: {user}\r\n\r\n".encode()
    )
    connection.settimeout(0)
    return connection


def measure(server: Server, users: list[str], seconds: float) -> list[float]:
    """Download with one connection for each name; return the bytes a second of each."""
    connections = [connect(server, user) for user in users]
    counts = dict.fromkeys(connections, 0)
    buffer = bytearray(1 << 20)
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            selector.register(connection, selectors.EVENT_READ)

        def read_until(end: float) -> None:
            while (left := end - time.perf_counter()) > 0:
                for key, _ in selector.select(left):
                    count = key.fileobj.recv_into(buffer)  # type: ignore[union-attr]
                    if count == 0:
                        raise RuntimeError("a download ended before the measurement did")
                    counts[key.fileobj] += count  # type: ignore[index]

        read_until(time.perf_counter() + WARM_UP)
        for connection in connections:
            counts[connection] = 0
        start = time.perf_counter()
        read_until(start + seconds)
        took = time.perf_counter() - start
    for connection in connections:
        connection.close()
    return [counts[connection] / took for connection in connections]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    cases = [
        ("one stream", "transfer", ["alice"]),
        ("eight streams of one user", "user", ["alice"] * 8),
        ("two users, seven streams and one", "server", ["alice"] * 7 + ["bob"]),
    ]
    with tempfile.TemporaryDirectory() as name:
        root, folder = Path(name) / "root", Path(name) / "server"
        root.mkdir()
        folder.mkdir()
        # A hole: no disk holds it, and no download comes to its end.
        with (root / "large.bin").open("wb") as file:
            file.truncate(1 << 40)
        users = {"identity_provider_class": "users.Users"}
        with jupyter(root, folder, ours=True, server=users) as server:
            print("| limit | MB/s | case | held, % | slowest to fastest | alice : bob |")
            print("|---|---|---|---|---|---|")
            for rate in (2, 20, 200):
                for case, level, names in cases:
                    limit(server, {level: rate * MEGA})
                    found = measure(server, names, arguments.seconds)
                    held = 100 * sum(found) / (rate * MEGA)
                    alice = [one for one, user in zip(found, names, strict=True) if user == "alice"]
                    bob = sum(found) - sum(alice)
                    share = f"{sum(alice) / bob:.2f}" if bob else ""
                    spread = f"{max(alice) / min(alice):.2f}"
                    print(f"| {level} | {rate} | {case} | {held:.1f} | {spread} | {share} |")


if __name__ == "__main__":
    main()
