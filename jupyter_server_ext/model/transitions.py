"""How a job may move, and who may move it: every move in one table. Pure.

A row is an event: who causes it, and for each state in which it may come the state that follows.
Where a state is missing the event is refused there; where it leads to itself the event is taken and
the state stays.

Reports are whole states and any of them may be lost, so every later state can follow an earlier
one. `interrupted` is mostly the server's guess, and the job's own word revokes it; `done`, `failed`
and `cancelled` are for good. A report of a new generation is another run of the same job, and
nothing that was said of the run before stands in its way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from progresswidget.protocol import ACTIONS, ACTIVE, STATUSES, TERMINAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Actor: TypeAlias = Literal["kernel", "server", "user"]

UNKNOWN: Final = "unknown"
"""Before the first report of a job, and after it was forgotten."""
STATES: Final = STATUSES | {UNKNOWN}

_OPEN: Final = ACTIVE | {"interrupted"}
"""What a later report of the same run may follow."""


class RefusedError(Exception):
    """An event that the state of the job does not allow.

    Parameters
    ----------
    state, event
        Of `STATES` and `TABLE`.
    message
        Why, in one sentence.
    """

    def __init__(self, state: str, event: str, message: str) -> None:
        super().__init__(message)
        self.state = state
        self.event = event


class IllegalTransitionError(RefusedError):
    """A report that contradicts what the same job said before."""


class EndedError(RefusedError):
    """The job has ended, and nothing is to be changed any more."""


class ActiveError(RefusedError):
    """The job has not ended, and cannot be forgotten yet."""


class UnknownError(RefusedError):
    """There is no such job."""


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the table.

    Parameters
    ----------
    by
        Who may cause it.
    moves
        From each state in which it may come to the state that follows.
    """

    by: Actor
    moves: Mapping[str, str]


def _to(state: str, *, after: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(after, state)


def _in(states: Iterable[str]) -> dict[str, str]:
    return {state: state for state in states}


def reporting(status: str) -> str:
    """Return the event of a report of the run that is known, or of the first one."""
    return f"reports {status}"


def rerunning(status: str) -> str:
    """Return the event of the first report of a new generation."""
    return f"runs again, {status}"


def asking(action: str) -> str:
    """Return the event of a wish."""
    return f"asks to {action}"


LOST: Final = "lost"
"""The process of the job is gone, or has not been heard of for too long."""
PLACED: Final = "placed"
"""The file of a kernel with another disk is on this server."""
LOCATED: Final = "located"
"""The notebook of the job has another path now."""
EXPIRED: Final = "expired"
"""The job is older than jobs are remembered, or there are too many."""
REMOVED: Final = "removed"

TABLE: Final[Mapping[str, Event]] = {
    # The kernel's own word. A job that begins can only once be waiting to begin.
    reporting("queued"): Event("kernel", _to("queued", after={UNKNOWN, "queued", "interrupted"})),
    **{
        reporting(status): Event("kernel", _to(status, after={UNKNOWN, *_OPEN}))
        for status in ("running", "paused", "interrupted")
    },
    **{
        reporting(status): Event("kernel", _to(status, after={UNKNOWN, *_OPEN, status}))
        for status in ("done", "failed", "cancelled")
    },
    **{
        rerunning(status): Event("kernel", _to(status, after=STATUSES))
        for status in sorted(STATUSES)
    },
    # What the server sees for itself. Whoever has ended is not lost any more.
    LOST: Event("server", _to("interrupted", after=ACTIVE) | _in(TERMINAL)),
    PLACED: Event("server", _in({*_OPEN, "done"})),
    LOCATED: Event("server", _in(STATUSES)),
    EXPIRED: Event("server", _to(UNKNOWN, after=TERMINAL)),
    # Wishes change nothing: they wait until the kernel has taken them up, and reports the rest.
    **{asking(action): Event("user", _in(ACTIVE)) for action in sorted(ACTIONS)},
    REMOVED: Event("user", _to(UNKNOWN, after=TERMINAL)),
}


def after(state: str, event: str) -> str:
    """Return the state after an event.

    Raises
    ------
    RefusedError
        The one that says why, if the table does not allow it.
    """
    moves = TABLE[event].moves
    if state not in moves:
        raise _refusal(state, event)
    return moves[state]


def _refusal(state: str, event: str) -> RefusedError:
    if state == UNKNOWN:
        return UnknownError(state, event, "the job is not known")
    if TABLE[event].by == "kernel":
        status = event.rpartition(" ")[2]
        return IllegalTransitionError(state, event, f"{status} cannot follow {state}")
    if state in ACTIVE:
        return ActiveError(state, event, f"the job is {state}")
    return EndedError(state, event, f"the job is {state}")
