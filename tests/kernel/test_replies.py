"""Heads of answers: what is read by hand, what is left to `http.client`, and both over a socket."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from progresswidget.client import Connection, Endpoint, ServerUnreachableError
from progresswidget.replies import Head, read_head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODY: Final = b'{"control":null}'
PLAIN: Final = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 16\r\n\r\n"
CHUNKED: Final = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"4\r\n" + BODY[:4] + b"\r\nc\r\n" + BODY[4:] + b"\r\n0\r\n\r\n"
)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (PLAIN, Head(200, 16, closes=False)),
        (b"HTTP/1.1 403 \r\ncontent-LENGTH:0 \r\n\r\n", Head(403, 0, closes=False)),
        (
            b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 1\r\n\r\n",
            Head(503, 1, closes=True),
        ),
        (b"HTTP/1.1 200 OK\r\n\r\n", None),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 16\r\n\r\n", None),
        (b"HTTP/1.1 100 Continue\r\nContent-Length: 16\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nX-Content-Length: 16\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\nContent-Length: 17\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\nContent-Encoding: gzip\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 16\r\n\r\n", None),
        (b"SSH-2.0-OpenSSH\r\n\r\n", None),
    ],
)
def test_a_plain_head_is_read_and_no_other(head: bytes, found: Head | None) -> None:
    assert read_head(head) == found


names = st.sampled_from(
    ["Server", "Date", "ETag", "Content-Length-X", "X-Transfer-Encoding", "Vary"]
)
values = st.text("abc 0123456789:;,=close", max_size=20).map(str.strip)


@given(st.integers(200, 599), st.integers(0, 10**6), st.lists(st.tuples(names, values)))
def test_it_agrees_with_http_client(status: int, length: int, more: list[tuple[str, str]]) -> None:
    lines = [f"HTTP/1.1 {status} Some Words", *(f"{name}: {value}" for name, value in more)]
    lines.insert(len(lines) // 2 + 1, f"Content-Length: {length}")
    data = ("\r\n".join(lines) + "\r\n\r\n").encode()

    class Sock:
        def makefile(self, mode: str) -> io.BytesIO:
            return io.BytesIO(data)

    response = http.client.HTTPResponse(Sock())  # type: ignore[arg-type]
    response.begin()
    head = read_head(data)
    assert head is not None
    assert head.status == response.status
    if response.length is not None and status not in {204, 304}:
        assert head.length == response.length
    assert head.closes is response.will_close


def take(peer: socket.socket) -> bool:
    """Read a report, and return whether one came."""
    data = b""
    while not (b"\r\n\r\n" in data and data.endswith(b"}")):
        block = peer.recv(1 << 16)
        if not block:
            return False
        data += block
    return True


def serve(listener: socket.socket, answers: list[bytes]) -> None:
    while answers:
        peer, _ = listener.accept()
        with peer:
            while answers and take(peer):
                answer = answers.pop(0)
                # A byte first: an answer may come in any pieces.
                peer.sendall(answer[:1])
                peer.sendall(answer[1:])
                if not answer or b"close" in answer:
                    break


@pytest.fixture
def answering() -> Iterator[Callable[[list[bytes]], Connection]]:
    """Make a connection to a server that gives these answers, an empty one being an end."""
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def make(answers: list[bytes]) -> Connection:
            threads.append(threading.Thread(target=serve, args=(listener, answers)))
            threads[-1].start()
            port = listener.getsockname()[1]
            return Connection(Endpoint(f"http://127.0.0.1:{port}/x/", "s3cret"), timeout=10)

        yield make
        for thread in threads:
            thread.join(10)


def test_answers_that_are_not_plain_are_understood_too(
    answering: Callable[[list[bytes]], Connection],
) -> None:
    closing = PLAIN.replace(b"Server: x", b"Connection: close") + BODY
    # The first that is chunked is asked for again, and whoever chunks once does it always.
    connection = answering([PLAIN + BODY, closing, PLAIN + BODY, CHUNKED, CHUNKED, CHUNKED])
    for _ in range(5):
        assert connection.report({"taskId": "0" * 32}) == json.loads(BODY)
    connection.close()


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (b"", 2),
        (PLAIN[:20] + b"close", 2),
        (b"SSH-2.0-close\r\n\r\n", 3),  # the first is asked for again, as if it were chunked
    ],
)
def test_what_is_no_answer_is_no_server(
    answering: Callable[[list[bytes]], Connection], answer: bytes, asked: int
) -> None:
    answers = [answer] * asked
    connection = answering(answers)
    for _ in range(2):
        with pytest.raises(ServerUnreachableError):
            connection.report({"taskId": "0" * 32})
        connection.close()
    assert answers == []  # it has not waited for one that did not come
