"""One run of an export: what is there is compared, what is missing is written."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from progresswidget.export import finished
from progresswidget.export.blame import blaming_the_values
from progresswidget.export.comparison import Comparison
from progresswidget.export.contents import Contents
from progresswidget.export.draft import Draft
from progresswidget.export.resume import Damaged, StartOver
from progresswidget.export.standing import Standing
from progresswidget.export.tally import Tally
from progresswidget.export.units import Unit
from progresswidget.export.writers import Encoded, Placed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from progresswidget.export.journal import Record
    from progresswidget.export.lease import Lease
    from progresswidget.export.parts import Part
    from progresswidget.export.progress import Progress
    from progresswidget.export.resume import Earlier
    from progresswidget.export.sections import Section
    from progresswidget.export.sink import Filter
    from progresswidget.export.trail import Trail
    from progresswidget.export.writers import Writer

CLOSING: Final = bytes(16)
"""In place of the digest of data: what is committed with the bytes of a section that gathers."""


class Run:
    """An attempt to write a file.

    Parameters
    ----------
    path
        The file.
    sections
        What is in it.
    writer
        Its writer, new.
    earlier
        What can be gone on with.
    lease
        The right to write.
    key
        What a later run must have in common with this one; without it no journal is kept.
    progress
        Raised meanwhile.
    phase
        What encoding is called.
    filter
        What the bytes go through on their way to the file.
    """

    def __init__(
        self,
        path: Path,
        sections: Sequence[Section],
        writer: Writer,
        earlier: Earlier,
        lease: Lease,
        key: str,
        progress: Progress,
        phase: str,
        filter: Filter | None,
    ) -> None:
        self._path, self._sections, self._writer = path, sections, writer
        self._progress = progress
        self._phase, self.resumable = phase, writer.resumable
        self.earlier = earlier
        self.tally = Tally(sections, writer, progress)
        self._standing = Standing(sections, writer)
        self._comparison = Comparison(earlier, self._standing)
        self._contents = Contents(
            sections, writer, earlier, progress, self._comparison.state if key else None
        )
        self.behind = self._contents.behind
        self._draft = Draft(path, writer, lease, key, progress, filter, self._standing)
        self._placed: list[Placed] = []
        self._first = 0
        self._unbegun: list[int] = []

    @property
    def part(self) -> Part | None:
        """The part; None as long as nothing was missing."""
        return self._draft.part

    @property
    def records(self) -> Sequence[Record]:
        """The units that are committed, in the order of the file; there may be more later."""
        return self._draft.records

    @property
    def xxh128(self) -> str | None:
        """The XXH3 of the file as it was written, where all of it was written by this run."""
        return self._draft.xxh128

    @property
    def continuable(self) -> bool:
        """Whether a later run can go on with something that is committed."""
        return self.resumable and self._standing.units(self.records) > 0

    def close_journal(self) -> bool:
        """Let go of the journal; say whether all units are committed, or digests are missing."""
        return self._draft.close_journal()

    def fill(self) -> tuple[int, Trail] | None:
        """Write the file into its part; return its size and its digest.

        Returns None if the file is there already and nothing was to be written.

        Raises
        ------
        StartOver, Damaged
            If it must be tried again from the beginning, or from fewer units.
        """
        progress = self._progress
        progress.rows = progress.read = progress.bytes = progress.reused = 0
        progress.part = None
        try:
            self._comparison.begin(once=any(section.content.once for section in self._sections))
            with blaming_the_values(progress):
                return self._fill()
        finally:
            self._draft.close()

    def _fill(self) -> tuple[int, Trail] | None:
        writer, draft = self._writer, self._draft
        self._progress.phase = "hashing" if self._comparison.on else "reading"
        if not self._comparison.on:
            self._write_from_here()
        draft.add(writer.head())
        with closing(self._contents.by_section()) as sections:
            for index, units in sections:
                self._begin(index)
                self._first = len(self._placed)
                for unit in units:
                    self._place(unit, index)
                    del unit  # its bytes are the sink's now, and the next ones need the memory
                    draft.add(writer.follow(self._placed[self._first :], draft.position))
                    self._progress.checkpoint()
                self._end(index)
        if self._comparison.on:
            if self._stands():
                self._progress.bytes = self.earlier.size
                return None
            self._write_from_here()
        self._progress.phase = "finishing"
        draft.add(writer.tail(self._placed, draft.position))
        return draft.finish()

    def _stands(self) -> bool:
        """Say whether the finished file is what would be written, and still there as it was."""
        earlier = self.earlier
        whole = earlier.finished and earlier.whole and len(self._placed) == len(earlier.records)
        return whole and finished.recall(self._path) is not None

    def _begin(self, section: int) -> None:
        comparing, earlier = self._comparison.on, self.earlier
        if comparing and self._standing.again(section) and earlier.path is not None:
            self._writer.attach(earlier.path)
        if self._writer.writes_itself and comparing:
            self._unbegun.append(section)  # there is no file yet that it could write to
        else:
            self._draft.add(self._writer.begin(section, self._draft.position))

    def _place(self, unit: Unit, section: int) -> None:
        if self._comparison.on and self._reuse(unit, section):
            return
        self._progress.phase = self._phase
        encoded = unit.encode()
        offset = self._draft.position
        size, note = self._draft.write(encoded)
        self._placed.append(Placed(section, unit.rows, offset, size, note))
        self.tally.count(unit.rows, section, reused=False)
        self._draft.commit(unit, self._placed[-1])

    def _end(self, section: int) -> None:
        writer, draft = self._writer, self._draft
        offset = draft.position
        if not writer.gathers(section):
            draft.add(writer.end(section, self._placed[self._first :], offset))
            return
        whole = Unit(0, CLOSING, lambda: Encoded(()), section)
        if self._comparison.on and self._reuse(whole, section):
            writer.stands(section, self._placed[-1].note)
            if self._standing.again(section):
                self.tally.stood(section)
            return
        size = draft.add(writer.end(section, self._placed[self._first :], offset))
        self._placed.append(Placed(section, 0, offset, size, writer.gathered(section)))
        draft.commit(whole, self._placed[-1])

    def _reuse(self, unit: Unit, section: int) -> bool:
        """Say whether a unit is in the file already; make the file ready for it where it is not."""
        draft, again = self._draft, self._standing.again(section)
        known = self._comparison.find(unit, section, len(self._placed), draft.position)
        if known is None:
            begun = self._writer.gathers(section) and len(self._placed) > self._first
            if begun and not again:
                raise Damaged(self._first)  # those before it in the section were not encoded
            self._write_from_here()
            return False
        self._placed.append(Placed(section, known.rows, known.offset, known.size, known.note))
        draft.stand(known)
        self.tally.count(unit.rows, section, reused=not again)
        self._progress.bytes = draft.position
        if again and unit.rows:
            unit.encode()
        else:
            unit.skip()
        return True

    def _write_from_here(self) -> None:
        """End the comparison, and make the file ready to go on at the present position."""
        units, draft = len(self._placed), self._draft
        self._comparison.end()
        if units and not self._writer.resumable:
            raise StartOver
        if units and not self.earlier.finished:
            self._comparison.check(units)
        draft.begin(self.earlier, units, self._comparison.chain)
        for section in self._unbegun:
            draft.add(self._writer.begin(section, draft.position))
