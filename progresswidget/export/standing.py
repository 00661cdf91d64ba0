"""Behind which units of a file a later run can go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from progresswidget.export.journal import Record
    from progresswidget.export.sections import Section
    from progresswidget.export.writers import Writer


class Standing:
    """What stands of a file, as far as its sections and its writer decide that.

    Units of a section that gathers stand when it has ended. If one of them differs, all of them are
    read again to be encoded, which what can be read only once does not stand.

    Parameters
    ----------
    sections
        What is in the file.
    writer
        Says which sections gather, and whether what can be read only once is encoded beside it.
    """

    def __init__(self, sections: Sequence[Section], writer: Writer) -> None:
        # Of the sections nothing is kept: what asks here may live longer than they shall.
        self._writer, self._count = writer, len(sections)
        self._once = next(
            (place for place, each in enumerate(sections) if each.content.once), self._count
        )

    def units(self, records: Sequence[Record]) -> int:
        """Return how many of the first units can be gone on behind.

        Parameters
        ----------
        records
            The units, in the order of the file.
        """
        once = self._count if self._writer.spools else self._once
        good = 0
        for number, record in enumerate(records, 1):
            if not self._writer.gathers(record.section):
                good = number
            elif record.section >= once:
                break
            elif not record.rows:
                good = number
        return good

    def again(self, section: int) -> bool:
        """Say whether units are encoded that stand, since they cannot be read once more."""
        writer = self._writer
        return writer.spools and writer.gathers(section) and section >= self._once
