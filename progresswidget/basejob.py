"""What every job is for the person who has it in hand: an export, a transfer, a group, a loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from progresswidget.combined import Member
    from progresswidget.display import Display
    from progresswidget.protocol import Action, Json, Status
    from progresswidget.widget import JobMirror


class BaseJob(ABC):
    """How a job stands, what may be asked of it, and where it is shown.

    What is told of it to the server is `progresswidget.followed.Followed`.
    """

    _display: Display

    # --- how it stands ------------------------------------------------------------------------

    @property
    @abstractmethod
    def id(self) -> str:
        """The task id: 32 hexadecimal digits."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """What it does: ``"export"``, ``"download"``, ``"upload"``, ``"group"`` or ``"task"``."""

    @property
    @abstractmethod
    def path(self) -> Any:
        """Its file; of one that makes none something with a ``name``, as a path has it."""

    @property
    @abstractmethod
    def state(self) -> Status:
        """How it stands, one of `progresswidget.protocol.STATUSES`."""

    @property
    @abstractmethod
    def error(self) -> BaseException | None:
        """What ended it, or None while it runs and when it is done."""

    @property
    @abstractmethod
    def rows(self) -> int:
        """How much is done: rows, bytes of a transfer, files of a group, steps of a loop."""

    @property
    @abstractmethod
    def total(self) -> float | None:
        """How much there is in all, or None where nobody can know yet."""

    @property
    @abstractmethod
    def on_server(self) -> bool:
        """Whether the notebook server follows it."""

    @property
    def background(self) -> bool:
        """Whether the cell that started it went on meanwhile."""
        return False

    @property
    def bytes(self) -> int:
        """The bytes written so far."""
        return 0

    @property
    def columns(self) -> int:
        """The columns of its file."""
        return 0

    @property
    def format(self) -> str:
        """The name of the format of its file, for instance ``"csv"``; empty where it makes none."""
        return ""

    @property
    def steps(self) -> Mapping[str, str]:
        """Where each step is, by its name and in order; empty unless it is a delivery."""
        return {}

    # --- what may be asked of it --------------------------------------------------------------

    def pause(self) -> None:
        """Stop before the next step, until `resume`."""
        self._wish("pause")

    def resume(self) -> None:
        """Go on after `pause`."""
        self._wish("resume")

    def cancel(self) -> None:
        """Stop for good before the next step.

        No part of a file is left, and one that was there before stays.
        """
        self._wish("cancel")

    @abstractmethod
    def _wish(self, action: Action) -> None:
        """Do what somebody asks for, as soon as it can be done."""

    # --- where it is shown --------------------------------------------------------------------

    @abstractmethod
    def snapshot(self) -> Json:
        """Return the state as views have it: what the notebook keeps."""

    @abstractmethod
    def member(self) -> Member:
        """Return what the group that it belongs to needs to know of it."""

    def receipts(self) -> Sequence[Any]:
        """Return the parts that a receipt names: only a group has some."""
        return []

    @property
    def more(self) -> int:
        """How many parts a receipt does not name."""
        return 0

    @property
    def named(self) -> bool:
        """Whether the receipt of its group names it."""
        return True

    @property
    def unraised(self) -> BaseException | None:
        """What it failed by, unless that was raised where it ran."""
        return self.error

    def let_go(self, error: BaseException | None) -> None:  # noqa: B027 - most do nothing then
        """Hear that the block of its group has ended; whoever has a thread of his own goes on."""

    def exact(self) -> tuple[float, float | None]:
        """Return how much is done and how much there is, as a receipt says it."""
        return self.rows, self.total

    @property
    def unfinished(self) -> bool:
        """Whether it is done and was left before its end, as only a loop can be."""
        return False

    @property
    def unit(self) -> str:
        """What is counted, where its kind does not say so."""
        return ""

    def mirror(self, report: Json) -> None:
        """Show a changed state in the widgets."""
        self._display.mirror(self.snapshot())

    def mirror_to(self, widget: JobMirror) -> None:
        """Show each changed state from now on in a widget, too."""
        self._display.add(widget)

    def bundle_of(self, widget: JobMirror) -> tuple[Json, Json]:
        """Return the output of a widget that shows it: data and metadata."""
        return self._display.bundle_of(widget)

    def _ipython_display_(self) -> None:
        self._display.show()
