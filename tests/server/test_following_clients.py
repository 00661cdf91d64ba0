"""What people download with, while the file is written: whole in the end, or an error."""

from __future__ import annotations

import hashlib
import signal
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import clients
import pytest
from two_disks import MIDDLE, address, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from subprocess import Popen

    from conftest import Process
    from remote_kernel import Kernel
    from two_disks import Place

CLIENTS = ["curl", "wget", "aria2"]
BEGUN = 1_000_000
"""Bytes that a client must have got while the export stands still."""


class Following:
    """An export that stands still in the middle, and all the clients, which follow it."""

    def __init__(self, place: Place, folder: Path) -> None:
        self.server: Process = place.serve()
        self.kernel: Kernel = place.kernel(self.server, near=True, stop=MIDDLE)
        self.kernel.line()
        (record,) = self.server.request("api/jobs")
        url = self.url = address(self.server, record["taskId"]) + "?follow=1"
        self.targets = {client: folder / f"{client}.csv" for client in CLIENTS}
        self.clients: dict[str, Popen[bytes]] = {
            client: clients.begin(client, url, target, self.server.token)
            for client, target in self.targets.items()
        }
        until(self._have_begun)
        assert {client.poll() for client in self.clients.values()} == {None}

    def _have_begun(self) -> bool:
        return all(
            target.exists() and target.stat().st_size >= BEGUN for target in self.targets.values()
        )

    def connect(self) -> socket.socket:
        """Return a connection that has got the headers, and nothing else so far."""
        parts = urlsplit(self.url)
        connection = socket.create_connection((parts.hostname, parts.port), timeout=60)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
        connection.sendall(
            f"GET {parts.path}?follow=1 HTTP/1.1\r\nHost: {parts.netloc}\r\n"
            f"Authorization: token {self.server.token}\r\n\r\n".encode()
        )
        while not connection.recv(1 << 16, socket.MSG_PEEK).startswith(b"HTTP/1.1 200"):
            pass
        return connection

    def codes(self) -> dict[str, int]:
        """Return how each client ended."""
        return {name: client.wait(60) for name, client in self.clients.items()}


def drain(connection: socket.socket) -> None:
    while connection.recv(1 << 20):
        pass


@pytest.fixture
def following(place: Place, tmp_path: Path) -> Iterator[Following]:
    following = Following(place, tmp_path)
    yield following
    for client in following.clients.values():
        client.kill()
        client.wait(30)


def test_the_whole_file_is_there_soon_after_the_export(following: Following) -> None:
    following.kernel.go_on()
    ended = following.kernel.end()
    assert following.codes() == dict.fromkeys(CLIENTS, 0)
    for target in following.targets.values():
        assert hashlib.sha256(target.read_bytes()).hexdigest() == ended["sha256"]


def test_a_kernel_that_is_killed_is_an_error_for_every_client(following: Following) -> None:
    following.kernel.kill()
    assert 0 not in following.codes().values()


@pytest.mark.faults
def test_a_server_that_is_killed_is_an_error_for_every_client(following: Following) -> None:
    with following.connect() as connection:
        following.server.stop(signal.SIGKILL)
        # Closed in the middle of a chunk would be enough for wget.
        with pytest.raises(ConnectionResetError):
            drain(connection)
    assert 0 not in following.codes().values()
