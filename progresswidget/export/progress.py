"""How far an export is, and where it listens for pause and cancel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from progresswidget.export.growing import Growing, Whole


def _go_on() -> None:
    """Neither pause nor cancel, and nobody to tell."""


@dataclass(slots=True)
class Progress:
    """How far an export is: plain counters that its thread raises and any thread may read.

    Parameters
    ----------
    phase
        One of ``starting``, ``hashing`` (what is there is compared), ``reading``, ``writing``,
        ``compressing`` and ``finishing``.
    rows
        Rows that are in the file or on the way to it.
    bytes
        Bytes in the file.
    total
        Rows expected, or None if that is unknown.
    read
        Rows read from the source so far; with a slow source it moves while `rows` stands still.
    reused
        Rows of those that an earlier run had written.
    undone
        Steps of a delivery that were taken back.
    part
        The file that is being written, where what is in it stays as it is.
    whole
        The file when it has its name, where it was hashed while it was written.
    checkpoint
        Called by the export's thread every tenth of a second or more often. It may block, and
        the export pauses; it may raise `ExportCancelledError`, and the export is undone.
    tell
        Called when there is news that somebody may be waiting for.
    steps
        Of work that has some, in order: where each is, by its name. Never changed, but replaced.
    """

    phase: str = "starting"
    rows: int = 0
    bytes: int = 0
    total: int | None = None
    checkpoint: Callable[[], None] = _go_on
    read: int = 0
    reused: int = 0
    undone: int = 0
    part: Growing | None = None
    whole: Whole | None = None
    tell: Callable[[], None] = _go_on
    steps: Mapping[str, str] = field(default_factory=dict)

    def wrote(self, size: int) -> None:
        """Take over how many bytes are in the file."""
        self.bytes = size
        if self.part is not None:
            self.part.size = size

    def took_back(self) -> None:
        """Count a step that was undone."""
        self.undone += 1
