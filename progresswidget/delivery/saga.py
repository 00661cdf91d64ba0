"""Work of several steps of which all stands in the end, or nothing: what is next. Pure.

A saga is a sequence of steps each of which can be undone by itself (H. Garcia-Molina and K. Salem,
"Sagas", SIGMOD 1987). A ledger gets a line before and after each doing and each undoing, so that
whoever comes after a process that was killed knows what may have happened: a step that was begun
may be done, half done or not at all. It is done again under the same key, and whoever does it has
to find out what is there already; that way it is tried at least once and seen at most once.

The last step is the one that others see, and there is no way back from it. Before it a failure
leads back, in reverse order.

The lines are JSON objects::

    {"saga": 1, "key": "5e1f…", "steps": ["write", "send", "publish"]}
    {"begun": "write"}
    {"done": "write", "note": {"sha256": …}}
    {"begun": "send"}
    {"noted": "send", "note": {"location": …}}
    {"abandoned": "cancelled"}
    {"undoing": "send"}
    {"undone": "send"}
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VERSION: Final = 1
Line: TypeAlias = dict[str, Any]
Stage: TypeAlias = Literal["open", "begun", "done", "undoing", "undone"]

# event -> the stages of its step in which it may come, and the one that follows
_EVENTS: Final[dict[str, tuple[frozenset[Stage], Stage]]] = {
    "begun": (frozenset({"open", "begun"}), "begun"),
    "noted": (frozenset({"begun"}), "begun"),
    "done": (frozenset({"begun"}), "done"),
    "undoing": (frozenset({"begun", "done", "undoing"}), "undoing"),
    "undone": (frozenset({"undoing"}), "undone"),
}
_BACKWARD: Final = frozenset({"undoing", "undone"})


@dataclass(frozen=True, slots=True)
class Move:
    """What is next.

    Parameters
    ----------
    kind
        ``do`` or ``undo`` a step; or nothing, because all of it ``stands`` or is ``undone``.
    step
        Its name, or an empty text.
    """

    kind: Literal["do", "undo", "stands", "undone"]
    step: str = ""


class Saga:
    """What a ledger says of one saga.

    Parameters
    ----------
    key
        What it is known by: 32 hexadecimal digits. The keys of its steps follow from it.
    steps
        Names, in order.
    """

    def __init__(self, key: str, steps: Sequence[str]) -> None:
        if not key or not steps or len(set(steps)) != len(steps):
            raise ValueError("a saga has a key, and steps of different names")
        self.key, self.steps = key, tuple(steps)
        self.abandoned: str | None = None
        self._stages: dict[str, Stage] = dict.fromkeys(steps, "open")
        self._notes: dict[str, dict[str, Any]] = {step: {} for step in steps}

    @classmethod
    def from_line(cls, line: Line) -> Saga:
        """Read the heading of a ledger.

        Raises
        ------
        ValueError, KeyError, TypeError
            If it is none, or of another version.
        """
        if line["saga"] != VERSION:
            raise ValueError(f"version {line['saga']} of a saga is not known")
        return cls(str(line["key"]), [str(step) for step in line["steps"]])

    def to_line(self) -> Line:
        """Return the heading."""
        return {"saga": VERSION, "key": self.key, "steps": list(self.steps)}

    # --- What it says ---------------------------------------------------------------------------

    def stage(self, step: str) -> Stage:
        """Return how far a step is."""
        return self._stages[step]

    def note(self, step: str) -> Mapping[str, Any]:
        """Return what was noted of a step."""
        return self._notes[step]

    def key_of(self, step: str) -> str:
        """Return the idempotency key of a step: the same for every process that tries it."""
        return hashlib.sha256(f"{self.key} {step}".encode()).hexdigest()[:32]

    @property
    def stands(self) -> bool:
        """Whether all of it is done: there is no way back."""
        return self._stages[self.steps[-1]] == "done"

    def move(self) -> Move:
        """Return what is next."""
        if self.abandoned is not None:
            for step in reversed(self.steps):
                if self._stages[step] not in {"open", "undone"}:
                    return Move("undo", step)
            return Move("undone")
        for step in self.steps:
            if self._stages[step] != "done":
                return Move("do", step)
        return Move("stands")

    # --- What happens to it -----------------------------------------------------------------------

    def take(self, line: Line) -> None:
        """Take the next line.

        Raises
        ------
        ValueError
            If it cannot come now.
        KeyError, TypeError
            If it is no line of a saga.
        """
        if "abandoned" in line:
            if self.stands:
                raise ValueError("what others have seen is not taken back")
            self.abandoned = str(line["abandoned"])
            return
        (event,) = set(line) & set(_EVENTS)
        step = str(line[event])
        before, stage = _EVENTS[event]
        backward = event in _BACKWARD
        if self._stages[step] not in before or backward is (self.abandoned is None):
            raise ValueError(f"{step} cannot be {event} now")
        if step != self.move().step:
            raise ValueError(f"it is not the turn of {step}")
        self._stages[step] = stage
        self._notes[step] |= line.get("note", {})
