"""The rows of a run, as they are told: of tables alone, for a file in an archive has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget.export.sources import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from progresswidget.export.progress import Progress
    from progresswidget.export.sections import Section
    from progresswidget.export.writers import Writer


class Tally:
    """Rows that are written, and those that were there.

    Parameters
    ----------
    sections
        What is in the file.
    writer
        Says how many rows of the section that is open are in the file at most.
    progress
        Raised.

    Attributes
    ----------
    reused
        Rows that an earlier run had written.
    omitted
        Rows beyond the limit of their format.
    """

    def __init__(self, sections: Sequence[Section], writer: Writer, progress: Progress) -> None:
        self.reused = self.omitted = 0
        self._sections, self._writer, self._progress = sections, writer, progress
        self._counts = [0] * len(sections)

    def count(self, rows: int, section: int, *, reused: bool) -> None:
        """Count the rows of a unit."""
        if not isinstance(self._sections[section].content, Source):
            return
        if reused:
            self.reused += rows
            # Before the rows: else a look in between takes what was found for written.
            self._progress.reused += rows
        self._progress.rows += rows
        # An archive has in its place the limit of the entry that is open.
        most, before = self._writer.most_rows, self._counts[section]
        self._counts[section] = after = before + rows
        if most is not None:
            self.omitted += after - max(before, min(most, after))

    def stood(self, section: int) -> None:
        """Count the rows of a section as reused after all; `progress` keeps the speed they had."""
        if isinstance(self._sections[section].content, Source):
            self.reused += self._counts[section]
