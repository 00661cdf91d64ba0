"""Plans of polars over Parquet files, run for some of their rows at a time.

polars decodes a row group as a whole, and several side by side: row groups of 100 MB took 0.6 GB.
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

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

SLICE_BYTES: Final = 24_000_000
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
    """

    written: bytes
    paths: Sequence[str]
    marks: Sequence[tuple[int, int, int]]
    ranges: Sequence[tuple[int, int]]

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
                "The Parquet files changed while they were read.",
                "Export again when they are written.",
            )


def sliced(query: pl.LazyFrame) -> Slices | None:
    """Return the slices of a plan, or None if it is to be run as a whole.

    That is where a row of the result may depend on several of the files, where Python takes part,
    where a filter leaves few rows, and where the row groups are small anyway or have so many
    columns that slices of them would take too long.

    Parameters
    ----------
    query
        A plan over files of this computer.
    """
    told = query.explain(optimized=False)
    if "Parquet SCAN" not in told or "DF [" in told:
        return None  # and nothing large is serialised
    panic = sys.modules["polars"].exceptions.PanicException
    try:
        return _sliced(query)
    except (Exception, panic):  # noqa: BLE001 - of polars' insides, which may be others tomorrow
        return None


def _sliced(query: pl.LazyFrame) -> Slices | None:
    *above, scan = _steps(query)
    if not (_is_whole(scan) and _passes(above) and _goes_row_by_row(query)):
        return None
    written = query.serialize()
    paths = _paths(query)
    marks = [_mark(path) for path in paths]
    ranges = _ranges(_groups(paths, scan.file_options.with_columns))
    if not ranges or not _is_plain(written):
        return None
    trial = _with_slice(written, *_PROBE)
    *_, found = _steps(trial)
    same = trial.collect_schema() == query.collect_schema() and _paths(trial) == paths
    if not same or found.file_options.n_rows != _PROBE or _filters(found) != _filters(scan):
        return None
    if _filters(scan) and not _keeps_most(written, ranges):
        return None
    return Slices(written, paths, marks, ranges)


def _steps(query: pl.LazyFrame) -> list[Any]:
    """Return the steps of an optimised plan, the last one first; they must form one line."""
    at = query._ldf.visit()  # noqa: SLF001 - what polars' own engine for GPUs reads plans by
    steps = [at.view_current_node()]
    while inputs := at.get_inputs():
        (only,) = inputs
        at.set_node(only)
        steps.append(at.view_current_node())
    return steps


def _paths(query: pl.LazyFrame) -> list[str]:
    """Return the files that a plan reads, found anew where the plan was not looked at before."""
    return list(_steps(query)[-1].paths)


def _is_whole(scan: Any) -> bool:
    return (
        type(scan).__name__ == "Scan"
        and scan.scan_type[0] == "parquet"
        and scan.file_options.n_rows is None
        and scan.file_options.deletion_files is None
    )


def _filters(scan: Any) -> bool:
    return scan.predicate is not None


def _goes_row_by_row(query: pl.LazyFrame) -> bool:
    """Say whether polars would look for some rows of the result in the same rows of the files.

    A filter that goes by each row for itself is a part of reading the files by then.
    """
    *above, scan = _steps(query.slice(*_PROBE))
    if scan.file_options.n_rows != _PROBE:
        slice_ = above.pop() if above else scan
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


def _ranges(groups: Sequence[_Group]) -> list[tuple[int, int]]:
    """Return slices of about `SLICE_BYTES`; none where no row group has much more than that."""
    # What every slice of a row group decodes anew must be little of what it gives.
    most = max([SLICE_BYTES, *(AGAIN * group.again for group in groups)])
    pieces = [max(1, min(round(group.size / most), group.rows)) for group in groups]
    if max(pieces, default=1) == 1:
        return []
    ranges: list[tuple[int, int]] = []
    start = row = 0
    held = 0.0
    for group, count in zip(groups, pieces, strict=True):
        step = -(-group.rows // count)
        for begin in range(0, group.rows, max(step, 1)):
            if row > start and held + group.size / count > most:
                ranges.append((start, row - start))
                start, held = row, 0.0
            row += min(step, group.rows - begin)
            held += group.size / count
    return [*ranges, (start, row - start)]


def _groups(paths: Sequence[str], columns: Sequence[str] | None) -> list[_Group]:
    """Return the row groups of files; none where there are many, or their footers are large."""
    import pyarrow.parquet as pq

    if len(paths) > FILES:
        return []
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


def _keeps_most(written: bytes, ranges: Sequence[tuple[int, int]]) -> bool:
    """Say whether a filter leaves most rows, by a look at a few places.

    One that does not lets polars read less, most of all as a whole, and there is little to hold.
    """
    polars = sys.modules["polars"]
    for at in (0, -1, len(ranges) // 2, len(ranges) // 4, 3 * len(ranges) // 4):
        start, rows = ranges[at]
        looked = min(rows, LOOK)
        count = _with_slice(written, start, looked).select(polars.len())
        if 2 * count.collect(engine="streaming").item() < looked:
            return False
    return True
