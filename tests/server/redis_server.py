"""A real Redis on a free port, or several of them, ended with the test."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import closing
from typing import TYPE_CHECKING

from ports import free_port
from redis import Redis as Client

if TYPE_CHECKING:
    from pathlib import Path


class RedisServer:
    """One `redis-server`, on the same port after each start.

    Parameters
    ----------
    folder
        Its own, for what it saves.
    options
        More arguments of the command.
    sentinel
        Whether it is a Sentinel instead, which watches nothing.
    """

    password = "5ECRETpassw0rd"

    def __init__(self, folder: Path, *options: str, sentinel: bool = False) -> None:
        self.folder = folder
        self._options = options
        self._sentinel = sentinel
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        program = shutil.which("redis-server") or "/usr/bin/redis-server"
        command = [program, "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--save", "", "--requirepass", self.password]
        if self._sentinel:
            command = [program, self._written(), "--sentinel"]
        with (self.folder / "log.txt").open("ab") as log:
            self.process = subprocess.Popen([*command, *self._options], stdout=log, stderr=log)
        end = time.monotonic() + 30
        while self.command("PING") != "+PONG":
            assert self.process.poll() is None, (self.folder / "log.txt").read_text()
            assert time.monotonic() < end
            time.sleep(0.01)

    def _written(self) -> str:
        # A Sentinel writes into its configuration, and takes none from the command.
        path = self.folder / "sentinel.conf"
        lines = (f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}")
        path.write_text("\n".join((*lines, f"requirepass {self.password}", "")))
        return str(path)

    def stop(self, sign: int = signal.SIGKILL) -> None:
        if self.process is not None:
            self.process.send_signal(sign)
            self.process.send_signal(signal.SIGCONT)
            self.process.wait(30)
            self.process = None

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, sign: int) -> None:
        assert self.process is not None
        os.kill(self.process.pid, sign)

    def lives(self, namespace: str) -> dict[str, int]:
        """Return the keys of a place, and the milliseconds that each lives for; -1 is for ever."""
        begin = f"progresswidget:{{{namespace}}}:"
        with closing(Client.from_url(self.url, decode_responses=True)) as client:
            keys = list(client.scan_iter(match=f"{begin}*", count=1_000))
            found = {key.removeprefix(begin): int(client.pttl(key)) for key in keys}
        return {key: left for key, left in found.items() if left != -2}

    def command(self, *words: str) -> str:
        """Run a command by hand, without the client library; return the first line."""
        try:
            with closing(socket.create_connection(("127.0.0.1", self.port), timeout=10)) as line:
                file = line.makefile("rwb")
                for some in (("AUTH", self.password), words):
                    file.write(f"*{len(some)}\r\n".encode())
                    for word in some:
                        file.write(f"${len(word.encode())}\r\n{word}\r\n".encode())
                    file.flush()
                    answer: str = file.readline().decode().strip()
        except OSError as error:
            return str(error)
        return answer
