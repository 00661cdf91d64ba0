"""What the sections of a file hold: read ahead, cut into units, and encoded on all cores."""

from __future__ import annotations

import math
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export import behind
from progresswidget.export.blame import blaming_the_source
from progresswidget.export.digest import has_texts
from progresswidget.export.grouping import group
from progresswidget.export.reading import read_ahead
from progresswidget.export.sources import Source, once
from progresswidget.export.unicode import Texts
from progresswidget.export.units import encode_sections

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    import pyarrow as pa

    from progresswidget.export.entries import Blob
    from progresswidget.export.progress import Progress
    from progresswidget.export.resume import Earlier
    from progresswidget.export.sections import Section
    from progresswidget.export.units import Comparing, Payload, Unit
    from progresswidget.export.writers import Writer

CHUNK: Final = 8 * 2**20
"""Bytes of a unit of a section that is no table."""


class Contents:
    """The units of a file, each read once.

    Parameters
    ----------
    sections
        What is in the file.
    writer
        Encodes it, and says how large a unit is.
    earlier
        Tells how rows were cut that are compared.
    progress
        Raised by what is read, and asked for pause and cancel.
    comparing
        Whether units are compared with earlier ones at present; None if they need no digest.

    Attributes
    ----------
    behind
        Takes the digests of what nobody can change, behind the writer.
    """

    def __init__(
        self,
        sections: Sequence[Section],
        writer: Writer,
        earlier: Earlier,
        progress: Progress,
        comparing: Comparing | None,
    ) -> None:
        self._sections, self._writer, self._earlier = sections, writer, earlier
        self._progress, self._comparing = progress, comparing
        self.behind = behind.Behind()

    def by_section(self) -> Generator[tuple[int, Iterator[Unit]], None, None]:
        """Yield each section's units; where the writer can, those of the next are begun early."""
        every = range(len(self._sections))
        if not self._writer.ahead:
            for index in every:
                with closing(self._units([index])) as units:
                    yield index, units
            return
        with closing(self._units(every)) as units:
            waiting = [next(units, None)]
            for index in every:
                yield index, _of_section(index, waiting, units)

    def _units(self, indices: Iterable[int]) -> Generator[Unit, None, None]:
        sections = ((index, self._payloads(index)) for index in indices)
        return encode_sections(
            sections,
            self._writer,
            self._progress.checkpoint,
            self._comparing,
            behind=self._behind_of,
        )

    def _behind_of(self, index: int) -> behind.Behind | None:
        content = self._sections[index].content
        if not (isinstance(content, Source) and content.steady and behind.LIMIT):
            return None
        return self.behind if has_texts(content.schema) else None

    def _payloads(self, index: int) -> Iterable[Payload]:
        writer, section = self._writer, self._sections[index]
        content = section.content
        if isinstance(content, Source):
            passing = content.passing or content.total is None
            return group(
                self._read(content.batches, section),
                writer.unit_rows,
                writer.unit_bytes // (writer.queried if passing else 1),
                patience=math.inf if content.at_hand else writer.unit_patience,
                least=writer.least_rows,
                known=self._earlier.rows_of(index),
            )
        return _chunks(self._read(content.chunks, section))

    def _read(
        self, begin: Callable[[], Generator[Any, None, None]], section: Section
    ) -> Iterator[Any]:
        with blaming_the_source():
            items = begin()

        self._progress.checkpoint()
        for item in read_ahead(partial(self._items, items, section), self._progress.checkpoint):
            yield item
            self._progress.checkpoint()

    # No function within `_read`: its frame would keep what it closes over, as long as anybody
    # keeps an error that was raised in it.
    def _items(
        self, items: Generator[Any, None, None], section: Section
    ) -> Generator[Any, None, None]:
        with closing(items):
            if section.content.once:
                once.start(section.frame)
            look = _looker(section.content)
            while True:
                with blaming_the_source():
                    item = next(items, None)
                if item is None:
                    break
                if isinstance(section.content, Source):
                    self._progress.read += item.num_rows
                    look(item)
                yield item
            with blaming_the_source():
                section.content.check()


def _looker(content: Source | Blob) -> Callable[[pa.RecordBatch], None]:
    """Return what refuses batches that cannot be written, whatever the format is."""
    if not isinstance(content, Source) or content.unicode:
        return lambda _: None
    return Texts(content.schema).check


def _of_section(
    index: int, waiting: list[Unit | None], units: Iterator[Unit]
) -> Generator[Unit, None, None]:
    """Yield the units of a section; the first of the next one stays in `waiting`."""
    while (unit := waiting[0]) is not None and unit.section == index:
        waiting[0] = None
        yield unit
        del unit
        waiting[0] = next(units, None)  # only now: what is done must not wait for a slow source


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut and join bytes to chunks of one size, so that a second reading cuts them alike."""
    held = bytearray()
    for piece in pieces:
        held += piece
        while len(held) >= CHUNK:
            yield bytes(held[:CHUNK])
            del held[:CHUNK]
    if held:
        yield bytes(held)
