"""One export: source, writer, sink and destination joined, with progress, pause and cancel."""

from __future__ import annotations

import os
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import OptionError, ProgressWidgetError, SourceError
from progresswidget.export.destination import check, explain, locate, open_part
from progresswidget.export.formats import Format, find_format
from progresswidget.export.sections import find_sections
from progresswidget.export.sink import Sink
from progresswidget.export.sources import Source, once, reason
from progresswidget.export.units import encode, group
from progresswidget.export.writers import Placed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import pyarrow as pa

    from progresswidget.export.destination import Part
    from progresswidget.export.sections import Section
    from progresswidget.export.units import Unit
    from progresswidget.export.writers import Writer

_NO_OPTIONS: Final[Mapping[str, Any]] = MappingProxyType({})


def _go_on() -> None:
    """Neither pause nor cancel."""


@dataclass(slots=True)
class Progress:
    """How far an export is: plain counters that its thread raises and any thread may read.

    Parameters
    ----------
    phase
        One of ``starting``, ``reading``, ``writing`` and ``finishing``.
    rows
        Rows encoded and handed on to the file.
    bytes
        Bytes in the file.
    total
        Rows expected, or None if that is unknown.
    read
        Rows read from the source so far; with a slow source it moves while `rows` stands still.
    checkpoint
        Called by the export's thread every tenth of a second or more often. It may block, and
        the export pauses; it may raise `ExportCancelledError`, and the export is undone.
    """

    phase: str = "starting"
    rows: int = 0
    bytes: int = 0
    total: int | None = None
    checkpoint: Callable[[], None] = _go_on
    read: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """A finished file.

    Parameters
    ----------
    path
        Where it is.
    rows, columns
        What was written, without the heading.
    bytes
        Its size.
    sha256
        Its digest, 64 hexadecimal digits.
    seconds
        How long it took, pauses included.
    stat
        What the system said of the file right after it got its name.
    """

    path: Path
    rows: int
    columns: int
    bytes: int
    sha256: str
    seconds: float
    stat: os.stat_result


@contextmanager
def _blaming_the_source() -> Iterator[None]:
    """Turn what the user's frame raises into a `SourceError`."""
    try:
        yield
    except (ProgressWidgetError, MemoryError):
        raise
    except Exception as error:
        raise SourceError(f"The frame failed while it was read: {reason(error)}") from error
    except BaseException as error:
        # A bug in polars surfaces as a PanicException, which is no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise SourceError(f"The frame failed while it was read: {reason(error)}") from error


class Export:
    """A frame that can be written to a file, checked as far as that goes without writing.

    Parameters
    ----------
    frame
        A pandas, polars or pyarrow frame, or any object with ``__arrow_c_stream__``.
    path
        The file. ``~`` is expanded; of a symbolic link the target is written.
    format
        The name of a format; by default the ending of `path` tells.
    overwrite
        Whether a file that is there may be replaced.
    options
        Settings of the format and of the source.

    Attributes
    ----------
    path
        The absolute path of the file that will be written.
    format
        The row of the table of formats.
    total
        Rows in all, or None if that is unknown.
    columns
        Columns in the file, those of an index included.
    once
        Whether the frame is a stream that can be read only once: as soon as a run has begun to read
        it, also one that is cancelled then, neither this nor another `Export` can read it again.

    Raises
    ------
    UnsupportedSourceError, UnsupportedFormatError, OptionError, ColumnError, DestinationError
        If one of these stands in the way; nothing has been written then.
    SourceError
        If the frame cannot tell its columns, or is a stream that has been read.
    """

    def __init__(
        self,
        frame: object,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        overwrite: bool = True,
        options: Mapping[str, Any] = _NO_OPTIONS,
    ) -> None:
        if not isinstance(overwrite, bool):
            raise OptionError(
                f"overwrite must be True or False, not {type(overwrite).__name__}.",
                "True replaces a file that is there already.",
            )
        self.path = locate(path)
        # The name as given tells the format, also where it is a link to a file of another name.
        self.format: Format = find_format(os.path.basename(os.fspath(path)), format)  # noqa: PTH119
        check(self.path, overwrite=overwrite)
        self._sections, self._options = find_sections(frame, self.path.stem, self.format, options)
        self._overwrite = overwrite
        self.once = any(section.content.once for section in self._sections)
        headings = [section.heading for section in self._sections]
        self.format.make(headings, self._options).close()  # refuses what it cannot hold
        totals = [heading.total for heading in headings if heading.schema is not None]
        self.total = None if None in totals else sum(total for total in totals if total)
        self.columns = max((len(each.schema) for each in headings if each.schema), default=0)

    def run(self, progress: Progress) -> Result:
        """Write the file; the calling thread does the reading.

        Parameters
        ----------
        progress
            Raised while it runs, and asked for pause and cancel.

        Raises
        ------
        ExportCancelledError
            If `progress.checkpoint` says so.
        SourceError
            If the frame raises while it is read; the original error is the cause. Also if it is a
            stream that has been read.
        ColumnError
            If a value cannot be written.
        DestinationError
            If the file cannot be written, for instance because the disk is full.
        """
        for section in self._sections:
            if section.content.once:
                once.check(section.frame)
        started = time.monotonic()
        progress.total = self.total
        try:
            with open_part(self.path) as part:
                size, digest = self._fill(part, progress)
                progress.checkpoint()
                progress.phase = "finishing"
                published = part.publish(overwrite=self._overwrite)
        except ProgressWidgetError:
            raise
        except OSError as error:
            raise explain(error, self.path) from error
        return Result(
            path=self.path,
            rows=progress.rows,
            columns=self.columns,
            bytes=size,
            sha256=digest,
            seconds=time.monotonic() - started,
            stat=published,
        )

    def _fill(self, part: Part, progress: Progress) -> tuple[int, str]:
        def counted(size: int) -> None:
            progress.bytes = size

        writer = self.format.make([section.heading for section in self._sections], self._options)
        sink = Sink(part.descriptor, counted)
        placed: list[Placed] = []
        try:
            writer.attach(part.path)
            progress.phase = "reading"
            position = sink.append(writer.head())
            for index, section in enumerate(self._sections):
                position += sink.append(writer.begin(index, position))
                first = len(placed)
                for unit in self._units(section, index, writer, progress):
                    progress.phase = "writing"
                    size = sink.append(unit.encoded.pieces)
                    placed.append(Placed(index, unit.rows, position, size, unit.encoded.note))
                    position += size
                    progress.rows += unit.rows
                    progress.checkpoint()
                position += sink.append(writer.end(index, placed[first:], position))
            progress.phase = "finishing"
            sink.append(writer.tail(placed, position))
            return sink.finish()
        finally:
            sink.close()
            writer.close()

    def _units(
        self, section: Section, index: int, writer: Writer, progress: Progress
    ) -> Iterator[Unit]:
        batches = group(
            self._read(section, progress),
            writer.unit_rows,
            writer.unit_bytes,
            patience=writer.unit_patience,
            least=writer.least_rows,
        )
        with closing(encode(batches, writer, progress.checkpoint, index)) as units:
            yield from units

    def _read(self, section: Section, progress: Progress) -> Iterator[pa.RecordBatch]:
        source = section.content
        if not isinstance(source, Source):
            raise TypeError("a blob")
        with _blaming_the_source():
            batches = source.batches()
        with closing(batches):
            progress.checkpoint()
            if source.once:
                once.start(section.frame)
            while True:
                with _blaming_the_source():
                    batch = next(batches, None)
                if batch is None:
                    return
                progress.read += batch.num_rows
                yield batch
                progress.checkpoint()
