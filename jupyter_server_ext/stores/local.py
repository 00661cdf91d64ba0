"""What one server alone needs of a broker, a locker and a store of keys: it is alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jupyter_server_ext.stores import Change, Claim, Lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server_ext.model.job import Job
    from jupyter_server_ext.stores import Follower


class LocalBroker:
    """A `Broker` where nobody else changes anything. Nothing here ever waits."""

    conflicts = fenced = 0

    async def start(self, follower: Follower) -> None:
        """Tell of what the follower knows."""
        self._follower = follower
        for task_id, job in tuple(follower.jobs.items()):
            follower.taken(Change(task_id, job, None))

    async def append(self, task_id: str, job: Job | None, *, owns: bool) -> bool:
        """Settle a change."""
        self._follower.taken(Change(task_id, job, None))
        return True

    def owns(self, task_id: str) -> bool:
        """Every process reports to this server."""
        return True

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""


class LocalLocker:
    """A `Locker` within one process.

    Parameters
    ----------
    time
        Monotonic seconds.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._held: dict[str, tuple[Lease, float]] = {}
        self._tokens: dict[str, int] = {}

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease | None:
        """Take a lease."""
        held = self._held.get(name)
        if held is not None and held[1] > self._time():
            return None
        token = self._tokens[name] = self._tokens.get(name, 0) + 1
        lease = Lease(name, holder, token)
        self._held[name] = lease, self._time() + ttl
        return lease

    async def renew(self, lease: Lease, ttl: float) -> bool:
        """Hold a lease for longer."""
        held = self._held.get(lease.name)
        if held is None or held[0] != lease or held[1] <= self._time():
            return False
        self._held[lease.name] = lease, self._time() + ttl
        return True

    async def release(self, lease: Lease) -> None:
        """End a lease."""
        if lease.name in self._held and self._held[lease.name][0] == lease:
            del self._held[lease.name]


class LocalKeys:
    """A `KeyStore` that forgets when the process ends.

    Parameters
    ----------
    time
        Monotonic seconds.
    most
        Keys that are remembered; beyond it the oldest is forgotten.
    """

    def __init__(self, time: Callable[[], float], *, most: int = 10_000) -> None:
        self._time = time
        self._most = most
        self._claims: dict[str, tuple[Claim, float]] = {}

    async def claim(self, key: str, request: str, result: str, ttl: float) -> Claim | None:
        """Take a key."""
        now = self._time()
        found = self._claims.get(key)
        if found is not None and found[1] > now:
            return found[0]
        self._claims.pop(key, None)
        while len(self._claims) >= self._most:
            del self._claims[next(iter(self._claims))]
        self._claims[key] = Claim(request, result), now + ttl
        return None

    async def settle(self, key: str) -> None:
        """Note that it is done."""
        if key in self._claims:
            claim, end = self._claims[key]
            self._claims[key] = replace(claim, settled=True), end

    async def forget(self, key: str) -> None:
        """Give a key free."""
        self._claims.pop(key, None)
