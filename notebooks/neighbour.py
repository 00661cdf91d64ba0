"""A second notebook server for the tutorial on transfers: what "another machine" is there.

It serves a folder of its own on the loopback, not faster than a good network, with a token that
nobody else knows; and it ends with the notebook that started it.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RATE = 60_000_000
"""Bytes a second that one transfer gets."""
PATIENCE = 60.0
"""Seconds that it may take to start."""


class Neighbour:
    """A running server.

    Attributes
    ----------
    folder
        What it serves.
    url
        Where it serves it, with a slash at the end.
    headers
        What opens it.
    """

    def __init__(self) -> None:
        self._place = Path(tempfile.mkdtemp(prefix="neighbour-"))
        self.folder = self._place / "files"
        self.folder.mkdir()
        token = secrets.token_hex()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}/progresswidget/"
        self.headers = {"Authorization": f"token {token}"}
        self._process = self._start(token)
        atexit.register(self.stop)

    def _start(self, token: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root",
            "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self._port}",
            f"--ServerApp.root_dir={self.folder}", f"--ProgressExtension.transfer_rate={RATE}",
        ]  # fmt: skip
        # The token goes by a variable, for everybody on a machine sees its command lines.
        places = {name: str(self._place / name) for name in ("CONFIG_DIR", "RUNTIME_DIR")}
        own = {"JUPYTER_TOKEN": token, **{f"JUPYTER_{key}": at for key, at in places.items()}}
        quiet = subprocess.DEVNULL
        process = subprocess.Popen(  # noqa: S603 - our own server
            command, env={**os.environ, **own}, stdout=quiet, stderr=quiet
        )
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), timeout=1).close()
            except OSError:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError("the second server does not start") from None
                time.sleep(0.05)
            else:
                return process

    def stop(self) -> None:
        """End the server and remove what it has served; a second call changes nothing."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._place, ignore_errors=True)
