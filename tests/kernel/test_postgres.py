"""The PostgreSQL of the tests ends with them, whatever ends them."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import postgres

KILLED = """
import os, signal, sys
from pathlib import Path
import postgres
server = postgres.Server(Path(sys.argv[1]), Path(sys.argv[2]))
server.start()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_tests_that_are_killed_leave_no_server_and_no_files(postgres_uri: str) -> None:
    assert postgres_uri  # it is installed
    shared = set(Path("/dev/shm").iterdir())
    folder = tempfile.mkdtemp(prefix="pw-pg-")
    command = [sys.executable, "-c", KILLED, postgres.find(), folder]
    ended = subprocess.run(command, cwd=Path(postgres.__file__).parent, check=False)
    assert ended.returncode == -signal.SIGKILL
    end = time.monotonic() + 60
    while Path(folder).exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    assert not {path for path in Path("/dev/shm").iterdir() if "PostgreSQL" in path.name} - shared
