"""The processes that convert files: started here, for their engine must not run in the server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from progresswidget.protocol import Json

_SAID: Final = 40
"""Last lines of what a worker says that are kept."""
_OFFER_WITHIN: Final = 60.0
_KEEP_OFFERS: Final = 300.0
"""Seconds for which it is known what is installed."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How workers run.

    Parameters
    ----------
    python
        The interpreter that has the engine; empty is the server's own.
    folder
        Where they run.
    nice
        How far they stand back.
    memory
        Bytes that one may take; 0 is no limit.
    seconds
        For which one may be at work; 0 is no limit.
    size
        Bytes of the largest file that one may write; 0 is no limit.
    """

    python: str
    folder: str
    nice: int
    memory: int
    seconds: float
    size: int


class Worker:
    """One process at work."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._said: deque[bytes] = deque(maxlen=_SAID)

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    @property
    def said(self) -> str:
        """What it said last; never for a client, for it may quote the data."""
        return b"".join(self._said).decode(errors="replace")

    async def run(self, order: bytes) -> int:
        """Give the process its order, and return its exit code when it ends."""
        stdin, stderr = self._process.stdin, self._process.stderr
        if stdin is None or stderr is None:
            raise RuntimeError("a worker has no pipes")
        with suppress(ConnectionError):
            stdin.write(order)
            await stdin.drain()
        stdin.close()
        while block := await stderr.read(4096):
            self._said.append(block)
        return await self._process.wait()

    def stop(self) -> None:
        """Ask it to stop where it can go on."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)

    def _send(self, sign: int) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(sign)


class Workers:
    """Starts them, and knows what they can do."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._offers: Json | None = None
        self._asked = 0.0
        self._asking = asyncio.Lock()

    async def start(self) -> Worker:
        """Start a process that waits for its order.

        Raises
        ------
        OSError
            If it cannot be started.
        """
        return Worker(await self._spawn("convert", stdin=PIPE, stdout=DEVNULL))

    def order(self, report: Json, conversion: Json) -> bytes:
        """Return what a worker is told to do.

        Parameters
        ----------
        report
            The first report of the job.
        conversion
            What was asked for; its paths begin below the server's root.
        """
        settings = self._settings
        limits = {
            "nice": settings.nice,
            "memory": settings.memory,
            "seconds": settings.seconds,
            "size": settings.size,
        }
        paths = {name: self.path_of(conversion[name]) for name in ("source", "target")}
        return json.dumps({**conversion, **paths, **limits, "report": report}).encode()

    def path_of(self, path: str) -> str:
        """Return the absolute path of one below the root."""
        return f"{self._settings.folder.rstrip('/')}/{path}"

    async def offers(self) -> Json:
        """Return the formats that there are, with what is installed; asked of the engine itself."""
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if self._offers is None or now - self._asked > _KEEP_OFFERS:
                self._offers = await self._ask()
                # What is missing may be installed by the next time somebody looks.
                self._asked = now if _is_complete(self._offers) else float("-inf")
            return self._offers

    async def _ask(self) -> Json:
        nothing: Json = {"engine": False, "formats": [], "packings": []}
        try:
            process = await self._spawn("formats", "--json", stdin=DEVNULL, stdout=PIPE)
        except OSError:
            return nothing
        try:
            async with asyncio.timeout(_OFFER_WITHIN):
                out, _ = await process.communicate()
            found = json.loads(out) if process.returncode == 0 else None
        except TimeoutError:
            process.kill()
            found = None
        return {"engine": True, **found} if isinstance(found, dict) else nothing

    async def _spawn(self, *arguments: str, stdin: int, stdout: int) -> Process:
        return await asyncio.create_subprocess_exec(
            self._settings.python or sys.executable,
            # The folder is full of the user's files: none of them is a module of ours.
            "-P",
            "-m",
            "progresswidget",
            *arguments,
            stdin=stdin,
            stdout=stdout,
            stderr=PIPE,
            cwd=self._settings.folder,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            # Ctrl-C in the terminal is for the server, which ends its workers by itself.
            start_new_session=True,
        )


def _is_complete(offers: Json) -> bool:
    return offers["engine"] and all(row["missing"] is None for row in offers["formats"])
