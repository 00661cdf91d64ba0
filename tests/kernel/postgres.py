"""A real PostgreSQL for the tests: found, installed where there is none, and run on its own data.

Run as a script it makes sure that there is one. The tests start a `Server`; its guard is this
script again, with the folders of the programs and of the data.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    """A server with its data in a folder; it listens on the loopback only.

    It is a daemon and would outlive tests that are killed, so a guard waits for their end.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._data = folder / "data"
        self._guard: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        self.uri = f"postgresql://{USER}:{URI_PASSWORD}@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        # In a session of its own: what ends the tests by their group must not end the guard.
        self._guard = subprocess.Popen(
            [sys.executable, __file__, self._programs, self._folder],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        if os.geteuid() == 0:  # the server refuses to run as root
            for path in (self._folder, secret):
                shutil.chown(path, "postgres")
        initdb = ["-D", self._data, "-A", "scram-sha-256", "-U", USER, "--no-sync", "-E", "UTF8"]
        _run(self._programs, self._folder, "initdb", *initdb, "--locale=C", f"--pwfile={secret}")
        settings = f"-p {self.port} -c listen_addresses=127.0.0.1 -c fsync=off"
        settings += " -c unix_socket_directories=''"
        # In the folder of the data, which goes whatever ends the server: not in /dev/shm.
        settings += " -c dynamic_shared_memory_type=mmap"
        log = self._folder / "log"
        begin = ["-D", self._data, "-w", "-l", log, "-o", settings, "start"]
        _run(self._programs, self._folder, "pg_ctl", *begin)

    def stop(self) -> None:
        """Stop it, and remove its folder."""
        if self._guard is not None:
            # A word, and not only the end of it: a forked child may hold the pipe as well.
            self._guard.communicate(b"\n")
            assert self._guard.returncode == 0
            self._guard = None


@contextmanager
def running(programs: Path) -> Iterator[str]:
    """Run a server that is empty, and give its address, with a password."""
    # Not in pytest's own folder, which no other user may enter.
    with tempfile.TemporaryDirectory(prefix="pw-pg-", ignore_cleanup_errors=True) as folder:
        server = Server(programs, Path(folder))
        try:
            server.start()
            yield server.uri
        finally:
            server.stop()


def guard(programs: Path, folder: Path) -> None:
    """Wait for the end of the tests, whatever it was, and leave nothing of the server behind."""
    sys.stdin.readline()
    data = folder / "data"
    if (data / "postmaster.pid").exists():
        _run(programs, folder, "pg_ctl", "-D", data, "-w", "-m", "fast", "stop")
    shutil.rmtree(folder, ignore_errors=True)


def _run(programs: Path, folder: Path, program: str, *arguments: str | Path) -> None:
    command: list[str | Path] = [programs / program, *arguments]
    if os.geteuid() == 0:
        command = ["runuser", "-u", "postgres", "--", *command]
    log = folder / f"{program}.out"
    with log.open("w") as output:
        done = subprocess.run(
            command, cwd="/", stdout=output, stderr=subprocess.STDOUT, check=False
        )
    assert done.returncode == 0, log.read_text()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        guard(Path(sys.argv[1]), Path(sys.argv[2]))
        sys.exit()
    if find() is None:
        install()
    path = find()
    if path is None:
        sys.exit(
            f"No PostgreSQL: install one (Debian: apt-get install postgresql) or set {VARIABLE}"
        )
    print(f"database tests use {path}")
