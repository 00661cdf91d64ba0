"""A server is cleared for the next test, also of a kernel whose port another one has."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import zmq
from jupyter_process import JupyterProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.e2e

LATE = """while [ ! -e "$0" ]; do sleep 0.02; done; exec "$@" """
"""Starts a kernel when there is a file."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[JupyterProcess]:
    options = ["--AsyncIOLoopKernelRestarter.time_to_dead=0.2"]
    server = JupyterProcess(tmp_path, options=options)
    folder = tmp_path / "data" / "kernels" / "late"
    folder.mkdir(parents=True)
    program = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    argv = ["sh", "-c", LATE, str(tmp_path / "go"), *program]
    spec = {"argv": argv, "display_name": "Late", "language": "python"}
    (folder / "kernel.json").write_text(json.dumps(spec))
    server.start()
    yield server
    server.stop()


def start_late(server: JupyterProcess) -> str:
    """Start a kernel that waits for the file, and return its id."""
    notebook: dict[str, Any] = {"path": "a.ipynb", "name": "a.ipynb", "type": "notebook"}
    session = server.api("api/sessions", "POST", notebook | {"kernel": {"name": "late"}})
    return str(session["kernel"]["id"])


def test_a_kernel_whose_port_is_taken_is_not_talked_to(server: JupyterProcess) -> None:
    kernel = start_late(server)
    ports = json.loads((server.folder / "runtime" / f"kernel-{kernel}.json").read_text())
    # As another kernel does with its news: nothing that is asked of it is ever answered.
    with zmq.Context() as context, context.socket(zmq.XPUB) as other:
        other.bind(f"tcp://127.0.0.1:{ports['control_port']}")
        (server.folder / "go").touch()
        server.clear()
    assert "Address already in use" in server.log
    assert f"Kernel {kernel} died, removing from map" in server.log
    # Sent to nobody, the request for it may hold the whole server up for ever.
    assert f"Kernel shutdown: {kernel}" not in server.log
    assert server.api("api/kernels") == []
