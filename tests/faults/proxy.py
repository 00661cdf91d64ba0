"""A TCP proxy on loopback that breaks connections on purpose.

A fault strikes when the byte after the first `after` ones of its direction arrives: so ``after=0``
on the way down lets a request through and takes the answer away.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

Direction = Literal["up", "down"]
Kind = Literal["cut", "reset", "hole", "delay", "throttle", "flip"]

_BLOCK: Final = 64 * 1024
_LINGER: Final = 2.0
"""Seconds after a cut in which what the peers still send is read and dropped: a socket that is
closed with unread bytes would send a reset in the place of the end."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one connection, and when.

    Parameters
    ----------
    kind
        ``cut`` ends both sides (FIN), ``reset`` breaks both (RST), ``hole`` keeps both and passes
        nothing any more in either direction, ``delay`` waits once, ``throttle`` slows what follows,
        ``flip`` inverts one bit.
    direction
        Whose bytes are counted: ``up`` goes to the server.
    after
        Bytes that pass before it strikes.
    amount
        Seconds of a delay, bytes per second of a throttle.
    """

    kind: Kind
    direction: Direction = "down"
    after: int = 0
    amount: float = 0.0


@dataclass(eq=False, slots=True)
class _Connection:
    client: socket.socket
    server: socket.socket
    ending: Literal["cut", "reset"] | None = None
    silent: asyncio.Event = field(default_factory=asyncio.Event)
    pumps: list[asyncio.Task[None]] = field(default_factory=list)
    rate: dict[Direction, float] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[socket.socket, socket.socket]:
        return self.client, self.server


class _EndError(Exception):
    """The connection is over for both directions."""


class FaultProxy:
    """The proxy, in a thread of its own with an event loop of its own.

    Parameters
    ----------
    target
        The port on loopback that it speaks for; may be changed while it runs.
    script
        Gives the faults of the n-th connection, counted from 0.
    most
        Faults that strike at most: clients open connections in advance.
    struck_now
        Called at each fault, before it does anything.
    """

    def __init__(self, target: int, script: Callable[[int], Sequence[Fault]] | None = None) -> None:
        self.target = target
        self.script = script
        self.most: int | None = None
        self.struck_now: Callable[[], None] | None = None
        self.connections = 0
        self.struck: list[Fault] = []
        self.passed: dict[Direction, int] = {"up": 0, "down": 0}
        self._open: set[_Connection] = set()
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy")
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.admit()
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def faults(self, *faults: Fault) -> None:
        """Let every connection from now on meet these."""
        self.script = lambda _: faults

    def once(self, *faults: Fault) -> None:
        """Let the next connection meet these, and those after it none."""
        following = self.connections
        self.script = lambda number: faults if number == following else ()

    def refuse(self) -> None:
        """Refuse connections, as a host where nobody listens; those that are open stay."""
        self._call(self._refuse())

    def admit(self) -> None:
        """Take connections (again), at the same port."""
        self._call(self._admit())

    def cut(self) -> None:
        """End all connections now (FIN)."""
        self._call(self._end_all("cut"))

    def reset(self) -> None:
        """Break all connections now (RST)."""
        self._call(self._end_all("reset"))

    def hole(self) -> None:
        """Let all connections fall silent now."""
        self._call(self._silence())

    def _call(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _admit(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(256)
        listener.settimeout(0)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._loop.add_reader(listener, self._accept, listener)

    async def _refuse(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._loop.remove_reader(listener)
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(BlockingIOError):
            connection = _Connection(listener.accept()[0], socket.socket())
            self._open.add(connection)
            number, self.connections = self.connections, self.connections + 1
            self._spawn(self._serve(connection, number))

    async def _serve(self, connection: _Connection, number: int) -> None:
        for side in connection.sides:
            side.settimeout(0)
            side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        faults = tuple(self.script(number)) if self.script is not None else ()
        try:
            await self._loop.sock_connect(connection.server, ("127.0.0.1", self.target))
            connection.pumps = [
                self._loop.create_task(self._pump(connection, way, _of(faults, way)))
                for way in ("up", "down")
            ]
            # A pump that is cancelled by the other one's fault does not end the wait.
            await asyncio.wait(connection.pumps, return_when=asyncio.FIRST_EXCEPTION)
            if connection.ending == "cut":
                await self._finish(connection)
        except OSError:
            pass
        finally:
            await self._stop(connection)
            self._forget(connection)

    def _forget(self, connection: _Connection) -> None:
        self._open.discard(connection)
        for side in connection.sides:
            if connection.ending == "reset":
                # No time to linger makes close() send a reset.
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            side.close()

    async def _pump(self, connection: _Connection, way: Direction, faults: list[Fault]) -> None:
        source, sink = connection.client, connection.server
        if way == "down":
            source, sink = sink, source
        passed = 0
        while block := await self._loop.sock_recv(source, _BLOCK):
            while block:
                await self._hold(connection)
                if faults and passed == faults[0].after:
                    block = await self._strike(connection, way, faults.pop(0), block)
                    continue
                length = min(len(block), faults[0].after - passed) if faults else len(block)
                await self._send(connection, way, sink, block[:length])
                passed += length
                block = block[length:]
        await self._hold(connection)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    async def _send(
        self, connection: _Connection, way: Direction, sink: socket.socket, block: bytes
    ) -> None:
        rate = connection.rate.get(way)
        step = len(block) if rate is None else max(1, int(rate / 20))
        for start in range(0, len(block), step):
            piece = block[start : start + step]
            if rate is not None:
                await asyncio.sleep(len(piece) / rate)
            await self._loop.sock_sendall(sink, piece)
            self.passed[way] += len(piece)

    async def _hold(self, connection: _Connection) -> None:
        if connection.silent.is_set():
            # Neither read nor closed: to both ends it looks like a cable that was pulled out.
            await asyncio.get_running_loop().create_future()

    async def _strike(
        self, connection: _Connection, way: Direction, fault: Fault, block: bytes
    ) -> bytes:
        if self.most is not None and len(self.struck) >= self.most:
            return block
        self.struck.append(fault)
        if self.struck_now is not None:
            self.struck_now()
        if fault.kind in {"cut", "reset"}:
            connection.ending = fault.kind  # type: ignore[assignment]
            raise _EndError
        if fault.kind == "hole":
            connection.silent.set()
        elif fault.kind == "delay":
            await asyncio.sleep(fault.amount)
        elif fault.kind == "throttle":
            connection.rate[way] = fault.amount
        else:
            return bytes([block[0] ^ 0x01]) + block[1:]
        return block

    async def _finish(self, connection: _Connection) -> None:
        await self._stop(connection)
        for side in connection.sides:
            with suppress(OSError):
                side.shutdown(socket.SHUT_WR)
        drains = [self._loop.create_task(self._drain(side)) for side in connection.sides]
        try:
            await asyncio.wait(drains, timeout=_LINGER)
        finally:  # also where the proxy is closed meanwhile
            for drain in drains:
                drain.cancel()
            await asyncio.gather(*drains, return_exceptions=True)

    async def _drain(self, side: socket.socket) -> None:
        while await self._loop.sock_recv(side, _BLOCK):
            pass

    async def _stop(self, connection: _Connection) -> None:
        for pump in connection.pumps:
            pump.cancel()
        await asyncio.gather(*connection.pumps, return_exceptions=True)

    async def _end_all(self, ending: Literal["cut", "reset"]) -> None:
        for connection in tuple(self._open):
            connection.ending = ending
            for pump in connection.pumps:
                pump.cancel()

    async def _silence(self) -> None:
        for connection in self._open:
            connection.silent.set()

    async def _close(self) -> None:
        await self._refuse()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in tuple(self._open):  # a task that never began
            self._forget(connection)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _of(faults: Sequence[Fault], way: Direction) -> list[Fault]:
    return sorted((fault for fault in faults if fault.direction == way), key=lambda it: it.after)
