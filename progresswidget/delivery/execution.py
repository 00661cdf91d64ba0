"""A saga is carried out: step by step, again after what passes, back after what does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

from progresswidget.errors import ExportCancelledError, LeaseLostError, TransferError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from progresswidget.delivery.ledger import Ledger
    from progresswidget.delivery.saga import Saga, Stage
    from progresswidget.transfer.retry import Clock, Tries

Verdict: TypeAlias = Literal["again", "later", "never"]
"""Try again now; leave everything for another run; or undo it."""

# What is told of a step that another process has left.
_AS_FOUND: Final[dict[Stage, str]] = {
    "open": "queued",
    "begun": "queued",
    "done": "done",
    "undoing": "undoing",
    "undone": "undone",
}

ANEW: Final = 3
"""Times that what was done may be lost before this is no accident."""


def _status_of(error: BaseException) -> str:
    """Return what a step has come to that raised an error."""
    if isinstance(error, ExportCancelledError):
        return "cancelled" if error.final else "interrupted"
    return "failed" if isinstance(error, Exception) else "interrupted"


def _say_nothing(name: str, status: str) -> None:
    """Nobody is told."""


class LostError(TransferError):
    """What a step before had done is not there any more."""

    code = "delivery-lost"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a step knows of itself and of those before.

    Parameters
    ----------
    key
        Its idempotency key: the same one for every process that tries it.
    note
        What was noted of it, also by a process that is gone.
    before
        What was noted of the steps before, by their names.
    keep
        Notes more, and returns when it would survive a loss of power.
    alone
        Whether a process that has tried it before is gone for certain, and does not only sleep.
    """

    key: str
    note: Mapping[str, Any]
    before: Mapping[str, Mapping[str, Any]]
    keep: Callable[[dict[str, Any]], None]
    alone: bool


class Step(Protocol):
    """One step."""

    @property
    def name(self) -> str:
        """Its name, of which a saga has one."""

    def do(self, entry: Entry) -> dict[str, Any]:
        """Do it, or find that it is done; return what to note.

        Raises
        ------
        LostError
            If what the steps before had done is not there any more.
        """

    def undo(self, entry: Entry) -> None:
        """Take back whatever there is of it; all of it may be gone.

        It is called once, and tries as often as somebody would wait who has cancelled.
        """

    def stands(self, entry: Entry) -> dict[str, Any] | None:
        """Return what `do` would, if it is done; asked of the last step alone."""


class Execution:
    """Carries out one saga.

    The first step is what the others work on. It is looked at in every run: if what comes of it is
    not what it was, the others are undone and begin anew, with new keys.

    Parameters
    ----------
    ledger
        Of this saga, maybe with lines of a process that is gone.
    steps
        In order.
    judge
        Says what is to be done about an error of a step.
    tries, clock
        How often something that fails is tried again, and after how long.
    look
        Called often while waiting; it may raise to end it all.
    undone
        Called after each step that was undone.
    tell
        Called with the name of a step and where it is now, one of
        `progresswidget.protocol.STEP_STATUSES`.
    """

    def __init__(
        self,
        ledger: Ledger,
        steps: Sequence[Step],
        *,
        judge: Callable[[BaseException], Verdict],
        tries: Callable[[], Tries],
        clock: Clock,
        look: Callable[[], None],
        undone: Callable[[], None] = lambda: None,
        tell: Callable[[str, str], None] = _say_nothing,
    ) -> None:
        self._ledger, self._steps = ledger, {step.name: step for step in steps}
        self._first, self._last = steps[0].name, steps[-1].name
        self._judge, self._tries, self._clock, self._look = judge, tries, clock, look
        self._tell, self._at = tell, ""
        self._undone = undone
        saga = ledger.saga
        fits = saga is not None and saga.steps == tuple(self._steps)
        self._saga = saga if saga is not None and fits else self._begin()
        for name in self._steps:
            self._tell(name, _AS_FOUND[self._saga.stage(name)])

    def run(self) -> Mapping[str, Mapping[str, Any]]:
        """Carry it out, and return what was noted of the steps.

        Raises
        ------
        BaseException
            What a step raised. It is undone then, or left for another run, as `judge` says.
        """
        if self._saga.abandoned is not None:  # and its process died while it was undone
            self._back()
            self._begin()
        try:
            self._look_back()
            self._forward()
        except LeaseLostError:
            raise  # whoever has taken over has the ledger too
        except BaseException as error:
            self._tell(self._at or self._first, _status_of(error))
            if self._judge(error) != "never" or self._saga.stands:
                raise
            if not self._stands_all_the_same(error):
                self._abandon(error)
                raise
            self._tell(self._last, "done")
        return {step: self._saga.note(step) for step in self._steps}

    def _look_back(self) -> None:
        """Look whether what an earlier process has done is what is wanted now."""
        if self._saga.stage(self._first) != "done":
            return
        outcome = self._attempt(self._first)
        self._tell(self._first, "done")
        gone = self._saga.stands and self._steps[self._last].stands(self._entry(self._last)) is None
        if gone or outcome != self._saga.note(self._first):
            self._anew(outcome)

    def _forward(self) -> None:
        lost = 0
        while (move := self._saga.move()).kind == "do":
            self._ledger.write("begun", move.step)
            try:
                outcome = self._attempt(move.step)
            except LostError:
                lost += 1
                if lost == ANEW:
                    raise
                self._anew(dict(self._saga.note(self._first)))
            else:
                self._ledger.write("done", move.step, outcome)
                self._tell(move.step, "done")

    def _attempt(self, name: str) -> dict[str, Any]:
        self._at = name
        self._tell(name, "running")
        tries = self._tries()
        while True:
            # Who stood still while it waited must not put its file over that of a later run.
            self._ledger.check()
            try:
                return self._steps[name].do(self._entry(name))
            except LostError:
                raise
            except BaseException as error:
                if self._judge(error) != "again":
                    raise
                wait = tries.failure()
                if wait is None:
                    raise
                self._clock.wait(wait, self._look)

    def _anew(self, outcome: dict[str, Any]) -> None:
        """Undo all but the first step, and begin with its outcome under new keys."""
        if not self._saga.stands:
            self._ledger.write("abandoned", "begun anew")
            self._back(self._first)
        self._begin()
        self._ledger.write("begun", self._first)
        self._ledger.write("done", self._first, outcome)
        self._tell(self._first, "done")

    def _begin(self) -> Saga:
        self._saga = self._ledger.begin(list(self._steps))
        for name in self._steps:
            self._tell(name, "queued")
        return self._saga

    # --- The way back ---------------------------------------------------------------------------

    def _stands_all_the_same(self, error: BaseException) -> bool:
        """Find out whether the last step, if it was begun, is done: then the error came too late.

        Raises
        ------
        BaseException
            `error`, if it cannot be found out now: the next run will.
        """
        if self._saga.stage(self._last) != "begun":
            return False
        try:
            outcome = self._steps[self._last].stands(self._entry(self._last))
        except Exception as problem:  # noqa: BLE001 - what ended the saga is raised
            error.add_note(f"Whether it is there cannot be seen now: {problem}")
            raise error from None
        if outcome is None:
            return False
        self._ledger.write("done", self._last, outcome)
        return True

    def _abandon(self, error: BaseException) -> None:
        """Undo everything; what cannot be undone now the next run will undo."""
        self._ledger.write("abandoned", str(getattr(error, "code", type(error).__name__)))
        try:
            self._back(failed=self._at)
        except Exception as problem:  # noqa: BLE001 - what ended the saga is raised
            error.add_note(f"Not all of it could be undone yet: {problem}")

    def _back(self, stop: str = "", failed: str = "") -> None:
        """Undo in reverse order, but not the step `stop` and those before.

        Of the step that `failed` it stays told that it has.
        """
        while (move := self._saga.move()).kind == "undo" and move.step != stop:
            tell = _say_nothing if move.step == failed else self._tell
            tell(move.step, "undoing")
            self._ledger.write("undoing", move.step)
            self._steps[move.step].undo(self._entry(move.step))
            self._ledger.write("undone", move.step)
            self._undone()
            tell(move.step, "undone")

    def _entry(self, name: str) -> Entry:
        saga = self._saga
        names = list(self._steps)
        before = {step: saga.note(step) for step in names[: names.index(name)]}

        def keep(note: dict[str, Any]) -> None:
            self._ledger.write("noted", name, note)

        return Entry(saga.key_of(name), saga.note(name), before, keep, self._ledger.alone)
