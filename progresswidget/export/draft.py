"""The draft of a file: what one run has of it, from its first byte to the last.

As long as a run only compares, it is nothing but the small pieces around units that are in the
earlier file. Then it is a part of its own, with the thread that writes into it and the ledger that
tells the journal of it.
"""

from __future__ import annotations

import os
from concurrent.futures import wait
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from progresswidget.export import finished, journal
from progresswidget.export.lease import here
from progresswidget.export.ledger import Ledger
from progresswidget.export.outlet import Outlet
from progresswidget.export.parts import create_part, discard
from progresswidget.export.plain import create_plain
from progresswidget.export.reopening import copied_part, reopen_part
from progresswidget.export.resume import Damaged, StartOver, write_at
from progresswidget.export.sink import Sink
from progresswidget.export.units import LOOK

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from progresswidget.export.lease import Lease
    from progresswidget.export.parts import Part
    from progresswidget.export.plain import Plain
    from progresswidget.export.progress import Progress
    from progresswidget.export.resume import Earlier
    from progresswidget.export.sink import Filter
    from progresswidget.export.standing import Standing
    from progresswidget.export.trail import Trail
    from progresswidget.export.units import Unit
    from progresswidget.export.writers import Encoded, Piece, Placed, Writer


class Draft:
    """What a run has of its file.

    Parameters
    ----------
    path, writer, lease, key, progress, filter
        As `Run` has them.
    standing
        Says behind which units a later run can go on.

    Attributes
    ----------
    part
        The part; None as long as nothing was missing.
    records
        The units that are in the file, in its order, as far as they are committed.
    position
        Where the next piece goes.
    """

    def __init__(
        self,
        path: Path,
        writer: Writer,
        lease: Lease,
        key: str,
        progress: Progress,
        filter: Filter | None,
        standing: Standing,
    ) -> None:
        self.part: Part | None = None
        self.records: list[journal.Record] = []
        self.position = 0
        self._path, self._writer, self._lease, self._key = path, writer, lease, key
        self._progress, self._filter, self._standing = progress, filter, standing
        # Whether a library writes the very file that gets the name, and not one to be encrypted.
        self._by_library = writer.writes_itself and filter is None
        self._small: list[tuple[int, Piece]] = []
        self._sink: Sink | None = None
        self._ledger: Ledger | None = None
        self._plain: Plain | None = None
        self._digest: Any = None
        self._since = 0

    # --- What goes into it ----------------------------------------------------------------------

    def add(self, pieces: Iterable[Piece]) -> int:
        """Take small pieces, and return how many bytes they are."""
        before = self.position
        for piece in pieces:
            if self._sink is None:
                self._small.append((self.position, piece))
                self.position += memoryview(piece).nbytes
            else:
                self.position += self._sink.append([piece])
            self._progress.checkpoint()
        return self.position - before

    def stand(self, known: journal.Record) -> None:
        """Go on behind a unit that is in the earlier file."""
        self.records.append(known)
        self.position += known.size

    def write(self, encoded: Encoded | Outlet) -> tuple[int, bytes]:
        """Take the bytes of a unit; return how many they are, and what its writer notes of it."""
        if isinstance(encoded, Outlet):
            return self._drain(encoded), b""
        size = self._open.append(encoded.pieces, self._progress.checkpoint)
        self.position += size
        return size, encoded.note

    def commit(self, unit: Unit, placed: Placed) -> None:
        """Let the journal tell of a unit as soon as its bytes are in the file."""
        if self._ledger is not None:
            self._open.commit(self._ledger.add(unit, placed))

    def finish(self) -> tuple[int, Trail]:
        """Wait for the last byte; return the size, and the digest that is being taken."""
        sink = self._open
        if self._writer.writes_itself:
            self._writer.close()
        if self._plain is not None:
            self._encrypt(self._plain, sink)
        return sink.finish(written_by_others=self._by_library)

    @property
    def _open(self) -> Sink:
        if self._sink is None:
            raise AssertionError
        return self._sink

    def _drain(self, outlet: Outlet) -> int:
        drained = self._open.drain(outlet)
        while not wait((drained,), LOOK).done:
            self._progress.checkpoint()
        size = drained.result()
        self.position += size
        return size

    def _encrypt(self, plain: Plain, sink: Sink) -> None:
        """Pass on what the library has written, and remove it: before anything has the name."""
        for piece in plain.pieces():
            self.position += sink.append([piece], self._progress.checkpoint)
            self._progress.checkpoint()
        plain.remove()

    # --- How it begins and ends -----------------------------------------------------------------

    def begin(self, earlier: Earlier, units: int, chain: bytes) -> None:
        """Make the file ready to go on at the present position.

        Parameters
        ----------
        earlier
            What an earlier run has left.
        units
            How many of the first units of it stand.
        chain
            The digest chain of their data.

        Raises
        ------
        Damaged, StartOver
            If they are not to be had any more.
        OSError
            If there can be no part.
        """
        if units and not earlier.finished:
            part = self._reopen(earlier, units)
        else:
            part = self._create(earlier, units)
        write_at(part.descriptor, self._small)
        self._begin_digest(units)
        self._small = []
        if self._writer.writes_itself and not self._by_library:
            self._plain = create_plain(self._path)
        self._writer.attach(part.path if self._plain is None else self._plain.path)
        if not self._by_library:
            # A sink only appends, and from here on this run does not start over.
            self._progress.part = part.growing(
                self.position,
                resumable=bool(self._key) and self._writer.resumable,
                hashed=self._hashed,
            )
        self._sink = Sink(
            part.descriptor,
            self._progress.wrote,
            start=self.position,
            filter=self._filter,
            digest=self._digest,
        )
        if self._key:
            committed = partial(_commit, self._progress, self._standing, self.records)
            self._ledger = Ledger(
                self._lease.descriptor, self.records, chain, self._since, committed
            )

    def close(self) -> None:
        """End the threads, and let go of what is held but the part."""
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

    def close_journal(self) -> bool:
        """Let go of the journal; say whether all units are committed, or digests are missing."""
        return self._ledger is None or self._ledger.close()

    @property
    def xxh128(self) -> str | None:
        """The XXH3 of the file as it was written, where all of it was written by this run."""
        return str(self._digest.hexdigest()) if self._hashed else None

    @property
    def _hashed(self) -> bool:
        """Whether every byte of the file goes by."""
        return self._digest is not None and not self._since

    def _reopen(self, earlier: Earlier, units: int) -> Part:
        """Go on with the part that an earlier run has left."""
        old = earlier.path
        part = None if old is None else reopen_part(self._path, old.name, self.position)
        if old is None or part is None:
            raise Damaged(0)
        self.part = part
        if part.path == old:
            part.truncate(self.position)
            journal.keep(self._lease.descriptor, units, here())
            return part
        self._enter(part)
        with suppress(OSError):  # Windows removes none that somebody has opened
            discard(old)
        return part

    def _create(self, earlier: Earlier, units: int) -> Part:
        """Begin a part, with a copy of what is in the finished file already."""
        if units and earlier.path is not None:
            self.part = self._copy(earlier.path)
        else:
            self.part = create_part(self._path)
        self._enter(self.part)
        return self.part

    def _copy(self, path: Path) -> Part:
        try:
            with path.open("rb", buffering=0) as file:
                part = copied_part(self._path, file.fileno(), self.position)
                if finished.is_known(path, os.fstat(file.fileno())):
                    return part
        except FileNotFoundError:
            raise StartOver from None
        part.remove()
        raise StartOver  # somebody has written into it while it was compared

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
            self._since = self.position
            return
        for _, piece in self._small:
            self._digest.update(piece)


# No method of `Draft`: one that its own ledger calls would keep it alive, and all that is exported.
def _commit(
    progress: Progress, standing: Standing, records: Sequence[journal.Record], end: int
) -> None:
    """Tell that a later run would go on from `end`, if it would from the last of the records."""
    part = progress.part
    if part is None or part.committed is None:
        return
    if standing.units(records[-1:]):  # a later run may write over a section's beginning
        part.committed = end
