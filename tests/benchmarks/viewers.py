"""Clients of the benchmark of the hub, many in one lean process, the same for every server.

``viewers.py PORT COUNT TASKS EACH`` opens COUNT connections, subscribes each to its share of the
tasks, prints ``ready`` and then, at each line of its input, how many updates came since the one
before and how long they took. It speaks WebSocket by hand, because what it costs must not be
measured: it looks for the moment that each record carries, and decodes nothing else.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time

TOKEN = "benchmark"
SUBPROTOCOL = "v1.progress"
PING, PONG = 0x89, 0x8A
PER_ADDRESS = 5_000
"""Connections from one address of the loopback: a port that was closed stays taken for a minute."""
REQUEST = (
    "GET /progresswidget/ws HTTP/1.1\r\n"
    "Host: 127.0.0.1:{port}\r\n"
    "Authorization: token {token}\r\n"
    "Upgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n"
    "Accept: */*\r\n"
    "Accept-Language: en-US,en;q=0.5\r\n"
    "Accept-Encoding: gzip, deflate, br, zstd\r\n"
    "Pragma: no-cache\r\n"
    "Cache-Control: no-cache\r\n"
    "Origin: http://127.0.0.1:{port}\r\n"
    "Sec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n"
)


def frame(text: str) -> bytes:
    """Return a masked text frame: RFC 6455 section 5.2; a mask of zeros changes nothing."""
    payload, size = text.encode(), len(text)
    short = size < 126
    head = bytes([0x81, 0x80 | size]) if short else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + bytes(4) + payload


def subscribe(tasks: list[int]) -> bytes:
    positions = [{"taskId": f"{task:032x}"} for task in tasks]
    message = {"type": "subscribe", "id": 1, "data": {"tasks": positions}}
    return frame(json.dumps(message, separators=(",", ":")))


class Viewer:
    """One connection."""

    def __init__(self, port: int, number: int, tasks: list[int]) -> None:
        # None that another server's viewers have, or that anything else connects from.
        source = (f"127.{1 + port % 250}.0.{1 + number // PER_ADDRESS}", 0)
        self.socket = socket.create_connection(("127.0.0.1", port), source_address=source)
        self._rest = b""
        request = REQUEST.format(port=port, token=TOKEN, subprotocol=SUBPROTOCOL)
        self.socket.sendall(request.encode())
        while b"\r\n\r\n" not in self._rest:
            self._rest += self._receive()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        if b" 101 " not in head.splitlines()[0]:
            raise ConnectionError(head.decode())
        self.socket.sendall(subscribe(tasks))
        while self._rest.count(b'"subscribed"') < len(tasks):
            self._rest += self._receive()
        came, self._rest = self._rest, b""
        self.read(came, [], 0)
        while self._rest:  # the last answer, still without its end
            self.read(self._receive(), [], 0)
        self.socket.settimeout(0)

    def _receive(self) -> bytes:
        data = self.socket.recv(1 << 18)
        if not data:
            raise ConnectionError("closed by the server")
        return data

    def read(self, data: bytes, delays: list[int], now: int) -> None:
        """Note how old the records are that have come."""
        data = self._rest + data if self._rest else data
        place, end = 0, len(data)
        while end - place >= 2:
            size, head = data[place + 1], 2
            if size == 126:
                size, head = int.from_bytes(data[place + 2 : place + 4], "big"), 4
                if end - place < 4:
                    break
            if place + head + size > end:
                break
            if data[place] == PING:
                answer = data[place + head : place + head + size]
                self.socket.sendall(bytes([PONG, 0x80 | size]) + bytes(4) + answer)
            found = data.find(b'"rows":', place, place + head + size)
            if found >= 0 and now:
                delays.append(now - int(data[found + 7 : data.index(b",", found)]))
            place += head + size
        self._rest = data[place:]


def share(number: int, count: int, tasks: int, each: int) -> list[int]:
    """Return the tasks of one viewer, so that all tasks have equally many."""
    return [(number * each + index) % tasks for index in range(each)]


def main(port: int, count: int, tasks: int, each: int) -> None:
    viewers = {}
    poll = select.epoll()
    for number in range(count):
        viewer = Viewer(port, number, share(number, count, tasks, each))
        viewers[viewer.socket.fileno()] = viewer
        poll.register(viewer.socket, select.EPOLLIN)
    poll.register(sys.stdin, select.EPOLLIN)
    print("ready", flush=True)
    delays: list[int] = []
    while True:
        for descriptor, _ in poll.poll():
            viewer = viewers.get(descriptor)
            if viewer is None:
                if not os.read(0, 100):
                    return
                report(delays)
                delays.clear()
                continue
            data = viewer.socket.recv(1 << 18)
            if not data:
                raise ConnectionError("closed by the server")
            viewer.read(data, delays, time.monotonic_ns())


def report(delays: list[int]) -> None:
    """Print how many updates came, and the milliseconds that half and 99 of 100 took at most."""
    delays.sort()
    middle, late = (
        (delays[len(delays) * part // 100] / 1e6 for part in (50, 99)) if delays else (0, 0)
    )
    print(json.dumps([len(delays), middle, late]), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
