"""A server and kernels on another disk, and what can be seen of either."""

from __future__ import annotations

import hashlib
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from remote_kernel import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Process

ROWS = 2_000_000
MIDDLE = 1_600_000
"""So far that several units are in the file, and not only on their way there."""


class Place:
    """A server, and a disk of another machine on which its kernels write.

    Parameters
    ----------
    serve
        Starts a server.
    folder
        The one in which that has its root.
    """

    def __init__(self, serve: Callable[..., Process], folder: Path) -> None:
        self.serve, self.root, self.disk = serve, folder / "root", folder / "disk"
        self.disk.mkdir()
        self.kernels: list[Kernel] = []

    def kernel(self, server: Process, *, near: bool = False, **what: Any) -> Kernel:
        """Start a kernel of a server, on the other disk if it is not to be near."""
        environment = {"PROGRESSWIDGET_ENDPOINT_FILE": str(server.endpoint)}
        what = {"path": "sales.csv", "rows": ROWS} | what
        kernel = Kernel(None if near else self.disk, self.root, environment, **what)
        self.kernels.append(kernel)
        return kernel

    def arrived(self) -> int:
        """Return the bytes of the unfinished upload."""
        return sum(path.stat().st_size for path in self.root.rglob(".*.upload"))

    def files(self, folder: Path) -> list[str]:
        """Return the files of a disk, hidden ones too."""
        return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())

    def digest(self, name: str) -> str:
        """Return the digest of a file of the server's."""
        return hashlib.sha256((self.root / name).read_bytes()).hexdigest()


def until(condition: Callable[[], Any]) -> Any:
    """Wait until a condition holds, by looking at it."""
    end = time.monotonic() + 60
    while not (value := condition()):
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)
    return value


def address(server: Process, task_id: str) -> str:
    """Return the address of the file of a job."""
    base = server.url.removesuffix("/progresswidget/")
    return f"{base}{server.request(f'api/jobs/{task_id}')['url']}"


def download(server: Process, task_id: str) -> bytes:
    """Return the file of a job as a user gets it."""
    request = urllib.request.Request(address(server, task_id))
    request.add_header("Authorization", f"token {server.token}")
    with urllib.request.urlopen(request, timeout=30) as response:
        return bytes(response.read())
