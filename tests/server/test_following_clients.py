"""What people download with, while the file is written: whole in the end, or an error."""

from __future__ import annotations

import hashlib
import signal
from typing import TYPE_CHECKING

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
        url = address(self.server, record["taskId"]) + "?follow=1"
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

    def codes(self) -> dict[str, int]:
        """Return how each client ended."""
        return {name: client.wait(60) for name, client in self.clients.items()}


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


def test_a_server_that_is_killed_is_an_error_for_every_client(following: Following) -> None:
    following.server.stop(signal.SIGKILL)
    assert 0 not in following.codes().values()
