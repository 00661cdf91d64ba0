"""What a job does, as the job sees it: an export, or a transfer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from progresswidget.export.progress import Progress
    from progresswidget.export.result import Result


class Described(Protocol):
    """The format of a file, as far as it is told."""

    @property
    def name(self) -> str:
        """Its short name."""

    @property
    def media_type(self) -> str:
        """Its media type."""

    @property
    def append_only(self) -> bool:
        """Whether what is written of it stays as it is while it grows."""


class Work(Protocol):
    """What a job does: an `Export`, or a transfer."""

    @property
    def kind(self) -> str:
        """What it is: ``export``, ``download`` or ``upload``."""

    @property
    def path(self) -> Path:
        """The file; a download may learn its name only while it runs."""

    @property
    def format(self) -> Described:
        """The format of the file."""

    @property
    def total(self) -> int | None:
        """What there is to do: rows, or bytes of a transfer; None if nobody knows yet."""

    @property
    def columns(self) -> int:
        """Columns of the file."""

    @property
    def schema(self) -> Iterable[tuple[str, str]]:
        """The columns and their types, as far as they are known."""

    @property
    def settings(self) -> Iterable[tuple[str, str]]:
        """The options that were chosen and may be told, and their values."""

    @property
    def once(self) -> bool:
        """Whether it cannot be done again after it has begun."""

    def run(self, progress: Progress) -> Result:
        """Do it."""
