"""Traffic shaping: how many bytes a transfer may move now. Pure: the clock is a parameter.

Three limits hold at once: of one transfer, of all transfers of one user, of the whole server. They
form a tree of token buckets. What flows into a bucket is shared out equally among those below it
that have room for it, level by level (max-min fairness: Bertsekas and Gallager, Data Networks,
section 6.5.2). So a user with eight downloads gets what one with a single download gets, a slow
reader leaves its share to the others, and no order of asking takes a transfer's share away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_BURST: Final = 0.05
"""Seconds: a busy event loop may be late by as much, and what is not saved up is lost."""
_TICK: Final = 0.02
"""Seconds that a transfer saves up for, so that it moves slices and not single bytes."""
_TICK_EACH: Final = 0.0005
"""Seconds by which each open transfer lengthens that: 2,000 slices a second for all together."""
_GRAIN: Final = 0.004
"""Seconds for which a division is left as it is: it looks at every transfer."""
_LONGEST_WAIT: Final = 0.5
"""Seconds after which a transfer asks again in any case: the limits may have changed."""
_SHORTEST_WAIT: Final = 0.001
_LEAST: Final = 16.0
"""Bytes that may be saved up at the slowest rate: with none the wait for one byte would be lost."""


@dataclass(frozen=True, slots=True)
class Rates:
    """The limits, in bytes a second; 0 is none.

    Parameters
    ----------
    transfer
        Of each transfer.
    user
        Of all transfers of one user together.
    server
        Of everything.
    burst
        Seconds of each rate that may be saved up while nothing moves.
    """

    transfer: float = 0.0
    user: float = 0.0
    server: float = 0.0
    burst: float = 0.25

    @property
    def unlimited(self) -> bool:
        """Whether there is no limit at all."""
        return not (self.transfer or self.user or self.server)


class _Bucket:
    """What one level has got and not given on yet: the surplus that nobody below has room for."""

    __slots__ = ("level",)

    def __init__(self) -> None:
        self.level = 0.0

    def trim(self, most: float) -> None:
        # After the division and not before: what flowed in was for those below.
        self.level = min(self.level, most)

    def take(self, rate: float, amount: float) -> None:
        # A level without a limit owes nothing, should it get one later.
        if rate:
            self.level -= amount


class _User(_Bucket):
    __slots__ = ("gates",)

    def __init__(self) -> None:
        super().__init__()
        self.gates: list[Gate] = []


class Gate(_Bucket):
    """What one transfer may move. Close it after use.

    Made by `Shaper.open`.
    """

    __slots__ = ("_shaper", "_user", "credit")

    def __init__(self, shaper: Shaper, user: str) -> None:
        super().__init__()
        self._shaper = shaper
        self._user = user
        self.credit = 0.0

    @property
    def unlimited(self) -> bool:
        """Whether nothing is limited at the moment, and nobody need ask."""
        return self._shaper.rates.unlimited

    def grant(self, want: int, now: float) -> tuple[int, float]:
        """Take leave to move bytes.

        Parameters
        ----------
        want
            Bytes that could be moved, 1 at least.
        now
            Monotonic seconds, never less than before.

        Returns
        -------
        Bytes that may be moved now, at most `want`; if there are none, the seconds after which to
        ask again, which are a guess: others come and go.
        """
        return self._shaper.grant(self, self._user, want, now)

    def close(self) -> None:
        """Leave the share to the others; a second call does nothing."""
        self._shaper.leave(self, self._user)


class Shaper:
    """Divides the limits among the open transfers.

    Parameters
    ----------
    rates
        The limits; the attribute may be set to others at any time.
    """

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self._server = _Bucket()
        self._users: dict[str, _User] = {}
        self._open = 0
        self._divided: float | None = None

    def open(self, user: str) -> Gate:
        """Admit a transfer.

        Parameters
        ----------
        user
            Whose it is.
        """
        gate = Gate(self, user)
        self._users.setdefault(user, _User()).gates.append(gate)
        self._open += 1
        return gate

    def leave(self, gate: Gate, name: str) -> None:
        """Forget a transfer; see `Gate.close`."""
        user = self._users.get(name)
        if user is None or gate not in user.gates:
            return
        user.gates.remove(gate)
        self._open -= 1
        if not user.gates:
            # What its bucket holds goes with it: coming and going saves nothing up.
            del self._users[name]

    def grant(self, gate: Gate, name: str, want: int, now: float) -> tuple[int, float]:
        """Answer a transfer; see `Gate.grant`."""
        rates = self.rates
        user = self._users.get(name)
        if rates.unlimited or user is None:
            self._divided = None
            return want, 0.0
        self._divide(now)
        share = self._share(user)
        least = min(want, max(1.0, share * self._tick))
        surplus = self._surplus(gate, user)
        if gate.credit + surplus < least:
            wait = (least - gate.credit) / share
            return 0, min(max(wait, _SHORTEST_WAIT), _LONGEST_WAIT)
        taken = min(want, int(gate.credit + surplus))
        extra = max(0.0, taken - gate.credit)
        gate.credit -= taken - extra
        for rate, bucket in self._path(gate, user):
            bucket.take(rate, extra)
        return taken, 0.0

    @property
    def _tick(self) -> float:
        return min(self.rates.burst / 4, max(_TICK, _TICK_EACH * self._open))

    def _path(self, gate: Gate, user: _User) -> tuple[tuple[float, _Bucket], ...]:
        rates = self.rates
        return (rates.transfer, gate), (rates.user, user), (rates.server, self._server)

    def _share(self, user: _User) -> float:
        """Return the bytes a second that a transfer of `user` gets whatever the others do."""
        rates, own = self.rates, len(user.gates)
        shares = (rates.transfer, rates.user / own, rates.server / len(self._users) / own)
        return min(share for share in shares if share)

    def _surplus(self, gate: Gate, user: _User) -> float:
        return max(0.0, min(bucket.level for rate, bucket in self._path(gate, user) if rate))

    def _divide(self, now: float) -> None:
        """Let the time since the last division flow in, and share it out."""
        if self._divided is None:
            self._divided = now
        seconds = now - self._divided
        if seconds < _GRAIN:
            return
        self._divided = now
        rates = self.rates
        self._server.level += rates.server * seconds
        rooms = []
        users = tuple(self._users.values())
        for user in users:
            user.level += rates.user * seconds
            most = _most(self._share(user), rates.burst)
            room = 0.0
            for gate in user.gates:
                gate.level += rates.transfer * seconds
                gate.credit = min(gate.credit, most)
                room += self._room(gate, most)
            rooms.append(min(user.level, room) if rates.user else room)
        amount = min(self._server.level, sum(rooms)) if rates.server else sum(rooms)
        self._server.take(rates.server, amount)
        for user, part in zip(users, split(amount, rooms), strict=True):
            self._give(user, part)
        self._server.trim(_most(rates.server, rates.burst))

    def _give(self, user: _User, amount: float) -> None:
        rates = self.rates
        most = _most(self._share(user), rates.burst)
        user.take(rates.user, amount)
        rooms = [self._room(gate, most) for gate in user.gates]
        for gate, part in zip(user.gates, split(amount, rooms), strict=True):
            gate.credit += part
            gate.take(rates.transfer, part)
            gate.trim(_most(rates.transfer, rates.burst))
        user.trim(_most(rates.user, rates.burst))

    def _room(self, gate: Gate, most: float) -> float:
        room = max(0.0, most - gate.credit)
        return min(gate.level, room) if self.rates.transfer else room


def _most(rate: float, burst: float) -> float:
    # Half of a burst may lie in the bucket of a level, the other half with its transfers.
    return max(_LEAST, rate * burst / 2)


def split(amount: float, rooms: Sequence[float]) -> list[float]:
    """Share an amount out equally; what one has no room for goes to the others.

    Parameters
    ----------
    amount
        What there is.
    rooms
        The most that each can take; what exceeds their sum is not given.
    """
    parts = [0.0] * len(rooms)
    order = sorted(range(len(rooms)), key=rooms.__getitem__)
    for served, index in enumerate(order):
        parts[index] = min(rooms[index], amount / (len(rooms) - served))
        amount -= parts[index]
    return parts
