"""One run of an export: what is there is compared, what is missing is written."""

from __future__ import annotations

from concurrent.futures import wait
from contextlib import closing, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export import journal
from progresswidget.export.blame import blaming_the_values
from progresswidget.export.contents import Contents
from progresswidget.export.digest import chain
from progresswidget.export.lease import here
from progresswidget.export.ledger import Ledger
from progresswidget.export.outlet import Outlet
from progresswidget.export.parts import create_part, discard
from progresswidget.export.plain import create_plain
from progresswidget.export.reopening import copied_part, reopen_part
from progresswidget.export.resume import (
    Damaged,
    StartOver,
    Verification,
    write_at,
)
from progresswidget.export.sink import Sink
from progresswidget.export.standing import Standing
from progresswidget.export.tally import Tally
from progresswidget.export.units import LOOK, Comparing, Unit
from progresswidget.export.writers import Encoded, Placed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from progresswidget.export.lease import Lease
    from progresswidget.export.parts import Part
    from progresswidget.export.plain import Plain
    from progresswidget.export.progress import Progress
    from progresswidget.export.resume import Earlier
    from progresswidget.export.sections import Section
    from progresswidget.export.sink import Filter
    from progresswidget.export.trail import Trail
    from progresswidget.export.writers import Piece, Writer

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
        self.part: Part | None = None
        self.records: list[journal.Record] = []
        self.tally = Tally(sections, writer, progress)
        self._path, self._sections, self._writer = path, sections, writer
        self.earlier, self.resumable = earlier, writer.resumable
        self._lease, self._key = lease, key
        self._progress, self._phase, self._filter = progress, phase, filter
        self._sink: Sink | None = None
        # Whether a library writes the very file that gets the name, and not one to be encrypted.
        self._by_library = writer.writes_itself and filter is None
        self._plain: Plain | None = None
        self._digest: Any = None
        self._since = 0
        self._ledger: Ledger | None = None
        self._standing = Standing(sections, writer)
        earlier.cut(self._standing.units(earlier.records))
        self._comparing = Comparing(on=bool(earlier.records))
        self._contents = Contents(
            sections, writer, earlier, progress, self._comparing if key else None
        )
        self._verification: Verification | None = None
        self.behind = self._contents.behind
        self._placed: list[Placed] = []
        self._first = 0
        self._small: list[tuple[int, Piece]] = []
        self._unbegun: list[int] = []
        self._position = 0
        self._chain = bytes(16)

    def fill(self) -> tuple[int, Trail] | None:
        """Write the file into its part; return its size and its digest.

        Returns None if the file is there already and nothing was to be written.

        Raises
        ------
        StartOver, Damaged
            If it must be tried again from the beginning, or from fewer units.
        """
        progress, earlier = self._progress, self.earlier
        progress.rows = progress.read = progress.bytes = progress.reused = 0
        progress.part = None
        if self._comparing.on and not earlier.finished and earlier.path is not None:
            self._verification = Verification(earlier.path, earlier.records)
            if any(section.content.once for section in self._sections):
                self._check_part(len(earlier.records))
        try:
            with blaming_the_values(progress):
                return self._fill()
        finally:
            self._close()

    def _close(self) -> None:
        try:
            if self._sink is not None:
                self._sink.close()
            if self._filter is not None:
                self._filter.close()
            self._writer.close()
        finally:
            if self._plain is not None:
                with suppress(OSError):  # another error is on its way, or `_encrypt` has told
                    self._plain.remove()

    def _fill(self) -> tuple[int, Trail] | None:
        writer = self._writer
        self._progress.phase = "hashing" if self._comparing.on else "reading"
        if not self._comparing.on:
            self._write_from_here()
        self._add(writer.head())
        with closing(self._contents.by_section()) as sections:
            for index, units in sections:
                self._begin(index)
                self._first = len(self._placed)
                for unit in units:
                    self._place(unit, index)
                    del unit  # its bytes are the sink's now, and the next ones need the memory
                    self._add(writer.follow(self._placed[self._first :], self._position))
                    self._progress.checkpoint()
                self._end(index)
        if self._comparing.on:
            earlier = self.earlier
            if earlier.finished and earlier.whole and len(self._placed) == len(earlier.records):
                self._progress.bytes = earlier.size
                return None
            self._write_from_here()
        self._progress.phase = "finishing"
        self._add(writer.tail(self._placed, self._position))
        if self._sink is None:
            raise AssertionError
        if writer.writes_itself:
            writer.close()
        if self._plain is not None:
            self._encrypt(self._plain, self._sink)
        return self._sink.finish(written_by_others=self._by_library)

    def _encrypt(self, plain: Plain, sink: Sink) -> None:
        """Pass on what the library has written, and remove it: before anything has the name."""
        for piece in plain.pieces():
            self._position += sink.append([piece], self._progress.checkpoint)
            self._progress.checkpoint()
        plain.remove()

    def _begin(self, section: int) -> None:
        if self._comparing.on and self._standing.again(section) and self.earlier.path is not None:
            self._writer.attach(self.earlier.path)
        if self._writer.writes_itself and self._comparing.on:
            self._unbegun.append(section)  # there is no file yet that it could write to
        else:
            self._add(self._writer.begin(section, self._position))

    def _add(self, pieces: Iterable[Piece]) -> int:
        before = self._position
        for piece in pieces:
            if self._sink is None:
                self._small.append((self._position, piece))
                self._position += memoryview(piece).nbytes
            else:
                self._position += self._sink.append([piece])
            self._progress.checkpoint()
        return self._position - before

    def _end(self, section: int) -> None:
        writer, offset = self._writer, self._position
        if not writer.gathers(section):
            self._add(writer.end(section, self._placed[self._first :], offset))
            return
        whole = Unit(0, CLOSING, lambda: Encoded(()), section)
        if self._comparing.on and self._reuse(whole, section):
            writer.stands(section, self._placed[-1].note)
            if self._standing.again(section):
                self.tally.stood(section)
            return
        if self._sink is None:
            raise AssertionError
        size = self._add(writer.end(section, self._placed[self._first :], offset))
        self._placed.append(Placed(section, 0, offset, size, writer.gathered(section)))
        if self._ledger is not None:
            self._sink.commit(self._ledger.add(whole, self._placed[-1]))

    def _reuse(self, unit: Unit, section: int) -> bool:
        """Say whether a unit is in the file already; make the file ready for it where it is not."""
        # With the same prefix that a ledger gives, which takes the chain over from here on.
        before = self._chain
        self._chain = chain(before, section.to_bytes(4, "little") + unit.digest)
        known = self._known(unit, section)
        if known is None:
            self._chain = before
            begun = self._writer.gathers(section) and len(self._placed) > self._first
            if begun and not self._standing.again(section):
                raise Damaged(self._first)  # those before it in the section were not encoded
            self._write_from_here()
            return False
        self._placed.append(Placed(section, known.rows, known.offset, known.size, known.note))
        self.records.append(known)
        self._position += known.size
        self.tally.count(unit.rows, section, reused=not self._standing.again(section))
        self._progress.bytes = self._position
        if self._standing.again(section) and unit.rows:
            unit.encode()
        else:
            unit.skip()
        return True

    def _place(self, unit: Unit, section: int) -> None:
        if self._comparing.on and self._reuse(unit, section):
            return
        self._progress.phase = self._phase
        encoded = unit.encode()
        if self._sink is None:
            raise AssertionError
        offset = self._position
        note = b""
        if isinstance(encoded, Outlet):
            size = self._drain(encoded)
        else:
            size = self._sink.append(encoded.pieces, self._progress.checkpoint)
            self._position += size
            note = encoded.note
        self._placed.append(Placed(section, unit.rows, offset, size, note))
        self.tally.count(unit.rows, section, reused=False)
        if self._ledger is not None:
            self._sink.commit(self._ledger.add(unit, self._placed[-1]))

    def _drain(self, outlet: Outlet) -> int:
        if self._sink is None:
            raise AssertionError
        drained = self._sink.drain(outlet)
        while not wait((drained,), LOOK).done:
            self._progress.checkpoint()
        size = drained.result()
        self._position += size
        return size

    @property
    def xxh128(self) -> str | None:
        """The XXH3 of the file as it was written, where all of it was written by this run."""
        return str(self._digest.hexdigest()) if self._hashed else None

    @property
    def _hashed(self) -> bool:
        """Whether every byte of the file goes by."""
        return self._digest is not None and not self._since

    @property
    def continuable(self) -> bool:
        """Whether a later run can go on with something that is committed."""
        return self.resumable and self._standing.units(self.records) > 0

    def close_journal(self) -> bool:
        """Let go of the journal; say whether all units are committed, or digests are missing."""
        return self._ledger is None or self._ledger.close()

    def _known(self, unit: Unit, section: int) -> journal.Record | None:
        place = len(self._placed)
        if place >= len(self.earlier.records):
            return None
        known = self.earlier.records[place]
        same = (known.section, known.rows, known.offset, known.data) == (
            section,
            unit.rows,
            self._position,
            self._chain,
        )
        return known if same else None

    def _write_from_here(self) -> None:
        """End the comparison, and make the file ready to go on at the present position."""
        units = len(self._placed)
        self._comparing.on = False
        if units and not self._writer.resumable:
            raise StartOver
        if units and not self.earlier.finished:
            self._check_part(units)
            part = self._reopen(units)
        else:
            part = self._create(units)
        write_at(part.descriptor, self._small)
        self._begin_digest(units)
        self._small = []
        if self._writer.writes_itself and not self._by_library:
            self._plain = create_plain(self._path)
        self._writer.attach(part.path if self._plain is None else self._plain.path)
        if not self._by_library:
            # A sink only appends, and from here on this run does not start over.
            self._progress.part = part.growing(
                self._position,
                resumable=bool(self._key) and self.resumable,
                hashed=self._hashed,
            )
        self._sink = Sink(
            part.descriptor,
            self._progress.wrote,
            start=self._position,
            filter=self._filter,
            digest=self._digest,
        )
        if self._key:
            committed = partial(_commit, self._progress, self._standing, self.records)
            self._ledger = Ledger(
                self._lease.descriptor, self.records, self._chain, self._since, committed
            )
        for section in self._unbegun:
            self._add(self._writer.begin(section, self._position))

    def _reopen(self, units: int) -> Part:
        """Go on with the part that an earlier run has left."""
        old = self.earlier.path
        part = None if old is None else reopen_part(self._path, old.name, self._position)
        if old is None or part is None:
            raise Damaged(0)
        self.part = part
        if part.path == old:
            part.truncate(self._position)
            journal.keep(self._lease.descriptor, units, here())
            return part
        self._enter(part)
        with suppress(OSError):  # Windows removes none that somebody has opened
            discard(old)
        return part

    def _create(self, units: int) -> Part:
        """Begin a part, with a copy of what is in the finished file already."""
        if units and self.earlier.path is not None:
            with self.earlier.path.open("rb", buffering=0) as file:
                self.part = copied_part(self._path, file.fileno(), self._position)
        else:
            self.part = create_part(self._path)
        self._enter(self.part)
        return self.part

    def _enter(self, part: Part) -> None:
        # Without a key nothing goes on from it, but it tells who writes, and a server that
        # tidies up knows by it what is left.
        journal.begin(self._lease.descriptor, self._key, part.path.name, here(), self.records)

    def _begin_digest(self, units: int) -> None:
        """Begin the digest of what this run writes, with what it has written already."""
        import xxhash

        if self._by_library:
            return
        self._digest = xxhash.xxh3_128()
        if units:
            self._since = self._position
            return
        for _, piece in self._small:
            self._digest.update(piece)

    def _check_part(self, units: int) -> None:
        good = units if self._verification is None else self._verification.good()
        if good < units:
            raise Damaged(good)


# No method of `Run`: one that its own ledger calls would keep it alive, and all that is exported.
def _commit(
    progress: Progress, standing: Standing, records: Sequence[journal.Record], end: int
) -> None:
    """Tell that a later run would go on from `end`, if it would from the last of the records."""
    part = progress.part
    if part is None or part.committed is None:
        return
    if standing.units(records[-1:]):  # a later run may write over a section's beginning
        part.committed = end
