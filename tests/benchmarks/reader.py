"""Clients of the transfer benchmarks, each run as a lean process of its own.

``reader.py stream PORT PATH COUNT`` downloads with COUNT connections from one process and prints
the seconds that each took; ``reader.py probe PORT PATH`` sends small requests until its input ends
and prints how long each took. Both speak HTTP by hand: what they cost must not be measured. For the
same reason the kernel throws the bytes away (MSG_TRUNC, tcp(7)): a client that copies a gigabyte
takes longer for it than a good server, and all good servers would be equally fast.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import threading
import time

TOKEN = "benchmark"
_BUFFER = 1 << 20


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def request(path: str) -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {TOKEN}\r\n\r\n"
    ).encode()


def read_head(connection: socket.socket) -> tuple[int, int]:
    """Return the length of the body and how much of it has come already."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(4096)
        if not more:
            raise ConnectionError("closed before the headers")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").splitlines()
    if lines[0].split()[1] != "200":
        raise ConnectionError(lines[0])
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(fields["content-length"]), len(body)


def stream(port: int, path: str, count: int) -> None:
    connections = [connect(port) for _ in range(count)]
    start = time.perf_counter()
    for connection in connections:
        connection.sendall(request(path))
    left, seconds = {}, {}
    with selectors.DefaultSelector() as selector:
        for connection in connections:
            length, came = read_head(connection)
            left[connection] = length - came
            connection.settimeout(0)
            selector.register(connection, selectors.EVENT_READ)
        buffer = bytearray(_BUFFER)  # never written to
        while left:
            for key, _ in selector.select():
                connection = key.fileobj
                taken = connection.recv_into(buffer, 0, socket.MSG_TRUNC)
                if not taken:
                    raise ConnectionError("closed too early")
                left[connection] -= taken
                if not left[connection]:
                    seconds[connection] = time.perf_counter() - start
                    selector.unregister(connection)
                    del left[connection]
    print(json.dumps([seconds[connection] for connection in connections]))


def probe(port: int, path: str) -> None:
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    connection = connect(port)
    took = []
    while not ended.wait(0.01):
        start = time.perf_counter()
        connection.sendall(request(path))
        length, came = read_head(connection)
        while came < length:
            came += len(connection.recv(4096))
        took.append(time.perf_counter() - start)
        if len(took) == 1:
            print(flush=True)  # from now on it is there
    print(json.dumps(took))


if __name__ == "__main__":
    what, port, path, *more = sys.argv[1:]
    if what == "stream":
        stream(int(port), path, int(more[0]))
    else:
        probe(int(port), path)
