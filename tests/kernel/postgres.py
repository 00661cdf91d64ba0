"""A real PostgreSQL for the tests: found, installed where there is none, and run on its own data.

Run as a script it makes sure that there is one. The tests start a `Server`.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

VARIABLE = "PROGRESSWIDGET_POSTGRESQL"
USER = "exporter"
PASSWORD = "open sesame"
URI_PASSWORD = "open%20sesame"


def find() -> Path | None:
    """Return the folder of the server's programs: the variable's, the path's, or Debian's."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen)
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(versions, key=lambda path: float(path.parts[-3]), default=None)
    return newest.parent if newest else None


def install() -> None:
    """Install it by apt where this is Debian and we are root."""
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        update = ["apt-get", "update", "-qq"]
        get = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql"]
        for step in (update, get):
            subprocess.run(step, env=quiet, check=False)


class Server:
    """A server with its data in a folder; it listens on the loopback only."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.uri = f"postgresql://{USER}:{URI_PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:  # the server refuses to run as root
            for path in (self._folder, secret):
                shutil.chown(path, "postgres")
        initdb = ["-D", self._data, "-A", "scram-sha-256", "-U", USER, "--no-sync", "-E", "UTF8"]
        self._run("initdb", *initdb, "--locale=C", f"--pwfile={secret}")
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        settings += " -c unix_socket_directories=''"
        log = self._folder / "log"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", log, "-o", settings, "start")

    def stop(self) -> None:
        if self._data.exists():
            self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str | Path) -> None:
        command: list[str | Path] = [self._programs / program, *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        log = self._folder / f"{program}.out"
        with log.open("w") as output:
            done = subprocess.run(
                command, cwd="/", stdout=output, stderr=subprocess.STDOUT, check=False
            )
        assert done.returncode == 0, log.read_text()


if __name__ == "__main__":
    if find() is None:
        install()
    path = find()
    if path is None:
        sys.exit(
            f"No PostgreSQL: install one (Debian: apt-get install postgresql) or set {VARIABLE}"
        )
    print(f"database tests use {path}")
