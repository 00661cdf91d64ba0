"""Plans of polars over Parquet and Arrow files, run for some of their rows at a time.

polars decodes a row group as a whole, and several side by side: row groups of 100 MB took 0.6 GB.
So it does with record batches, and what was read of an Arrow file is in memory until its end.
A plan that makes of each row of its files one row, or none, gives the same rows, in the same order,
where it is run for one slice of the files after the other. Whether a plan is of that kind polars
tells itself: a slice that is put on top of it comes to lie right on its files when it is optimised.
The slice that the files are read by is written into the plan as polars serialises it. Whatever is
not exactly as expected is left to polars as a whole.
"""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import SourceChangedError
from progresswidget.export.sources.lazy_files import files_of
from progresswidget.export.sources.ranges import gathered
from progresswidget.export.sources.sliced_arrow import arrow_ranges

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

SLICE_BYTES: Final = 16_000_000
"""Bytes of the columns that are read, decoded, in a slice; each slice costs some milliseconds."""
PAGE: Final = 1_000_000
"""Bytes of a page, within which polars cannot begin to decode: most writers make them so large."""
AGAIN: Final = 8
"""How many times the pages that are begun anew a slice has at least: else it takes too long."""
LOOK: Final = 8_192
"""Rows that are looked at in one place to see how many of them a filter leaves."""
FILES: Final = 64
FOOTERS: Final = 2_000_000
"""Files, and bytes of their footers, at most: every slice reads those before it again."""

_PROBE: Final = (1_000_003, 1_009)
"""A slice that nobody else makes."""
_REST: Final = (1 << 62) - 1
"""More rows than any files have: whatever was counted, no slice of Arrow files leaves one out."""
_ARROW: Final = re.compile(r"^ *Ipc SCAN \[", re.MULTILINE)
_CHOSEN: Final = re.compile(r"^ *SLICE: .* (\d+), len: (\d+) \}$", re.MULTILINE)
_PASSED: Final = frozenset({"SimpleProjection", "HStack", "Select"})
_UNSET: Final = b"\xa9pre_slice\xc0"
_STEPS: Final = re.compile(
    rb"\x82\xa5value\x81(?:\xa4Scan\x83|\xa6Filter\x82|\xa6HStack\x83|\xa6Select\x83"
    rb"|\xabMapFunction\x82\xa5input\x82\xa3idx.\xa7version.\xa8function\x81\xa6Rename\x83)",
    re.DOTALL,
)
_PLANS: Final = re.compile(rb"\xa9dsl_plans([\x90-\x9f])\x82\xa5value\xc0")
"""MessagePack: a map of two, "value", a map of one, its name; an array of at most 15."""
_WIDTHS: Final = {"BOOLEAN": 0.125, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 8}
_VIEW: Final = 16


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group: its rows, its bytes as polars holds them, and those a slice decodes anew."""

    rows: int
    size: float
    again: float


@dataclass(frozen=True, slots=True)
class _Scan:
    """How a plan reads its files, which are of one kind."""

    paths: Sequence[str]
    columns: Sequence[str] | None
    chosen: tuple[int, int] | None
    filters: bool
    arrow: bool = False


@dataclass(frozen=True, slots=True)
class Slices:
    """A plan that can be run slice by slice, and the files that it reads.

    Parameters
    ----------
    written
        The plan, as polars serialises it.
    paths, marks
        The files, and what they were like when they were looked at.
    ranges
        The first row and the number of rows of each slice, all rows of all files.
    rows
        How many rows of the result shall be copied at a time, so that none hold the slice.
    """

    written: bytes
    paths: Sequence[str]
    marks: Sequence[tuple[int, int, int]]
    ranges: Sequence[tuple[int, int]]
    rows: int | None = None

    def plans(self) -> Iterator[pl.LazyFrame]:
        """Yield the plan of each slice."""
        for start, rows in self.ranges:
            yield _with_slice(self.written, start, rows)

    def check(self) -> None:
        """Refuse rows of several moments.

        Raises
        ------
        SourceChangedError
            If a file is another one now, or there are others.
        """
        try:
            same = [_mark(path) for path in self.paths] == self.marks
            same = same and _paths(_with_slice(self.written, *_PROBE)) == self.paths
        except OSError:
            same = False
        if not same:
            raise SourceChangedError(
                "The files of the plan changed while they were read.",
                "Export again when they are written.",
            )


def sliced(query: pl.LazyFrame) -> Slices | None:
    """Return the slices of a plan, or None if it is to be run as a whole.

    That is where a row of the result may depend on several of the files, where Python takes part,
    where a filter leaves few rows, and where the row groups, or record batches and their files, are
    small anyway or have so many columns that slices of them would take too long.

    Parameters
    ----------
    query
        A plan over files of this computer.
    """
    told = query.explain(optimized=False)
    if ("Parquet SCAN" not in told and "Ipc SCAN" not in told) or "DF [" in told:
        return None  # and nothing large is serialised
    panic = sys.modules["polars"].exceptions.PanicException
    try:
        return _sliced(query)
    except (Exception, panic):  # noqa: BLE001 - of polars' insides, which may be others tomorrow
        return None


def _sliced(query: pl.LazyFrame) -> Slices | None:
    above, scan = _steps(query)
    if scan.chosen is not None or len(scan.paths) > FILES:
        return None
    if not (_passes(above) and _goes_row_by_row(query)):
        return None
    written = query.serialize()
    marks = [_mark(path) for path in scan.paths]
    rows = None
    if scan.arrow:
        ranges, rows = arrow_ranges(scan.paths, scan.columns)
    else:
        ranges = _parquet_ranges(scan.paths, scan.columns)
    if not ranges or not _is_plain(written):
        return None
    trial = _with_slice(written, *_PROBE)
    _, found = _steps(trial)
    same = trial.collect_schema() == query.collect_schema() and found.paths == scan.paths
    if not same or found.chosen != _PROBE or found.filters != scan.filters:
        return None
    if scan.filters and not _keeps_most(written, _places(scan, ranges)):
        return None
    if scan.arrow:
        ranges[-1] = (ranges[-1][0], _REST)
    return Slices(written, scan.paths, marks, ranges, rows)


def _steps(query: pl.LazyFrame) -> tuple[list[Any], _Scan]:
    """Return the steps of an optimised plan, the last one first, and what they begin with.

    They must form one line.
    """
    at = query._ldf.visit()  # noqa: SLF001 - what polars' own engine for GPUs reads plans by
    steps = []
    while inputs := at.get_inputs():
        (only,) = inputs
        steps.append(at.view_current_node())
        at.set_node(only)
    try:
        scan = at.view_current_node()
    except NotImplementedError:  # which is said of Arrow files
        return steps, _arrow_scan(query, list(at.get_schema()))
    if type(scan).__name__ != "Scan" or scan.scan_type[0] != "parquet":
        raise ValueError("The plan does not read Parquet files.")
    options = scan.file_options
    if options.deletion_files is not None:
        raise ValueError("Rows of the files do not count.")
    filters = scan.predicate is not None
    return steps, _Scan(list(scan.paths), options.with_columns, options.n_rows, filters)


def _arrow_scan(query: pl.LazyFrame, columns: Sequence[str]) -> _Scan:
    """Return how a plan reads Arrow files, which polars tells in words."""
    _, told = _ARROW.split(query.explain())
    found = _CHOSEN.search(told)
    chosen = None if found is None else (int(found[1]), int(found[2]))
    filters = re.search(r"^ *SELECTION: ", told, re.MULTILINE) is not None
    return _Scan(files_of(query), columns, chosen, filters, arrow=True)


def _paths(query: pl.LazyFrame) -> Sequence[str]:
    """Return the files that a plan reads, found anew where the plan was not looked at before."""
    return _steps(query)[1].paths


def _goes_row_by_row(query: pl.LazyFrame) -> bool:
    """Say whether polars would look for some rows of the result in the same rows of the files.

    A filter that goes by each row for itself is a part of reading the files by then.
    """
    above, scan = _steps(query.slice(*_PROBE))
    if scan.chosen != _PROBE:
        slice_: Any = above.pop() if above else None
        if type(slice_).__name__ != "Slice" or (slice_.offset, slice_.len) != _PROBE:
            return False
    return _passes(above)


def _passes(steps: Sequence[Any]) -> bool:
    return all(type(step).__name__ in _PASSED for step in steps)


def _is_plain(written: bytes) -> bool:
    """Say whether a serialised plan has the one place for a slice, and only steps that are known.

    The steps are looked at as the user has made them, too: a row number, for instance, would
    begin anew with each slice. Functions of Python would not be the same after the journey.
    """
    plans = _PLANS.search(written)
    return (
        plans is not None
        and len(_STEPS.findall(written)) == (plans[1][0] & 0x0F) - 1
        and written.count(b"\x81\xa4Scan\x83\xa7sources\x81\xa5Paths") == 1
        and written.count(_UNSET) == 1
        and b"AnonymousFunction" not in written
        and b"cloudpickle" not in written
    )


def _with_slice(written: bytes, start: int, rows: int) -> pl.LazyFrame:
    numbers = (start.to_bytes(8, "big"), rows.to_bytes(8, "big"))
    chosen = b"\xa9pre_slice\x81\xa8Positive\x82\xa6offset\xcf%b\xa3len\xcf%b" % numbers
    plan: pl.LazyFrame = sys.modules["polars"].LazyFrame.deserialize(
        io.BytesIO(written.replace(_UNSET, chosen))
    )
    return plan


def _mark(path: str) -> tuple[int, int, int]:
    found = Path(path).stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


def _parquet_ranges(paths: Sequence[str], columns: Sequence[str] | None) -> list[tuple[int, int]]:
    """Return slices of about `SLICE_BYTES`; none where no row group has much more than that."""
    groups = _groups(paths, columns)
    # What every slice of a row group decodes anew must be little of what it gives.
    most = max([SLICE_BYTES, *(AGAIN * group.again for group in groups)])
    pieces = [max(1, min(round(group.size / most), group.rows)) for group in groups]
    if max(pieces, default=1) == 1:
        return []
    numbers = zip(groups, pieces, strict=True)
    return gathered([(group.rows, group.size, count) for group, count in numbers], most)


def _groups(paths: Sequence[str], columns: Sequence[str] | None) -> list[_Group]:
    """Return the row groups of files; none where their footers are large."""
    import pyarrow.parquet as pq

    wanted = None if columns is None else frozenset(columns)
    groups = []
    footers = 0
    for path in paths:
        metadata = pq.read_metadata(path)
        footers += metadata.serialized_size
        if footers > FOOTERS:
            return []
        groups += [_group(metadata.row_group(at), wanted) for at in range(metadata.num_row_groups)]
    return groups


def _group(group: Any, wanted: frozenset[str] | None) -> _Group:
    size = again = 0.0
    for number in range(group.num_columns):
        column = group.column(number)
        if wanted is None or column.path_in_schema.partition(".")[0] in wanted:
            width = _WIDTHS.get(column.physical_type, _VIEW)
            size += max(column.total_uncompressed_size, width * column.num_values)
            again += min(column.total_uncompressed_size, PAGE)
    return _Group(group.num_rows, size, again)


def _places(scan: _Scan, ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the slices that are looked at: a look at Arrow files may decode all of a batch."""
    count = len(ranges)
    places = list(dict.fromkeys((0, count - 1, count // 2, count // 4, 3 * count // 4)))
    return [ranges[at] for at in places[: max(count // 8, 1) if scan.arrow else None]]


def _keeps_most(written: bytes, places: Sequence[tuple[int, int]]) -> bool:
    """Say whether a filter leaves most rows, by a look at a few places.

    One that does not lets polars read less, most of all as a whole, and there is little to hold.
    """
    polars = sys.modules["polars"]
    for start, rows in places:
        looked = min(rows, LOOK)
        count = _with_slice(written, start, looked).select(polars.len())
        if 2 * count.collect(engine="streaming").item() < looked:
            return False
    return True
