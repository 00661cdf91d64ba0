"""pyarrow Datasets and Scanners: files read batch by batch, a few ahead.

Of Parquet files pyarrow's scanner has several row groups decoded, each as a whole: with row groups
of 100 MB it takes 0.6 to 0.8 GB by itself. So files of this computer that have the columns of the
dataset are read as those whose paths are given.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from progresswidget.export.sources import BATCH_ROWS, QUERY_ROWS, Source, is_of
from progresswidget.export.sources.files_open import OPENERS
from progresswidget.export.sources.marks import marked
from progresswidget.export.sources.stream import read_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    import pyarrow as pa
    import pyarrow.dataset as ds

    from progresswidget.export.formats import Flavour

AHEAD: Final = 4
"""Batches that pyarrow may hold ready; its own 16 of each of 4 files would fill the memory."""


def recognises(frame: object) -> bool:
    """Say whether `frame` is a Dataset or a Scanner."""
    return is_of(frame, "pyarrow.dataset", "Dataset", "Scanner")


def read(frame: object, flavour: Flavour) -> Source:  # noqa: ARG001 - the table's signature
    """Return the source of a Dataset, whose rows are counted where files tell them.

    A Scanner of a stream can be scanned once, which it does not tell; Arrow refuses the second
    time.
    """
    if is_of(frame, "pyarrow.dataset", "Scanner"):
        scanner = cast("ds.Scanner", frame)
        return Source(scanner.projected_schema, None, lambda: read_batches(scanner.to_reader()))
    dataset = cast("ds.Dataset", frame)
    total = dataset.count_rows() if _counts(dataset) else None
    if total is not None and _files(dataset) and not _is_whole(dataset):
        total = None  # pyarrow counts all rows of a file of which some row groups were chosen
    reading = _Reading(dataset)
    return Source(
        dataset.schema,
        total,
        reading.batches,
        check=reading.check,
        passing=not is_of(dataset, "pyarrow.dataset", "InMemoryDataset"),
    )


class _Reading:
    """The rows of a dataset, and whether its files stay the same meanwhile."""

    def __init__(self, dataset: ds.Dataset) -> None:
        self._dataset = dataset
        self._check: Callable[[], None] = lambda: None

    def batches(self) -> Generator[pa.RecordBatch, None, None]:
        files = _files(self._dataset)
        self._check = marked(files)
        if files and _is_plain_parquet(self._dataset):
            return _one_by_one(self._dataset, files)
        return _scanned(self._dataset, QUERY_ROWS if files else BATCH_ROWS)

    def check(self) -> None:
        self._check()


def _scanned(
    given: ds.Dataset | ds.Fragment, rows: int, **wanted: pa.Schema
) -> Generator[pa.RecordBatch, None, None]:
    scanner = given.scanner(batch_size=rows, batch_readahead=AHEAD, fragment_readahead=1, **wanted)
    return read_batches(scanner.to_reader())


def _one_by_one(dataset: ds.Dataset, files: list[str]) -> Generator[pa.RecordBatch, None, None]:
    import pyarrow as pa

    schema = dataset.schema
    for fragment, path in zip(dataset.get_fragments(), files, strict=True):
        if not (_has_the_columns(fragment, schema) and _has_all_groups(fragment)):
            yield from _scanned(fragment, QUERY_ROWS, schema=schema)
            continue
        with closing(OPENERS[".parquet"](Path(path))) as rows:
            for batch in rows.batches(QUERY_ROWS):
                yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)


def _has_the_columns(fragment: ds.Fragment, schema: pa.Schema) -> bool:
    """Say whether all values are in the file as they are wanted, and none in the path of it."""
    import pyarrow.dataset as ds

    everything = fragment.partition_expression.equals(ds.scalar(True))  # noqa: FBT003 - a value
    return bool(everything and fragment.physical_schema.equals(schema))


def _has_all_groups(fragment: ds.Fragment) -> bool:
    """Say whether nobody has chosen some of the row groups of the file, or another order."""
    groups = getattr(fragment, "row_groups", None)
    if groups is None:
        return True  # of another format, which has none
    every = cast("ds.ParquetFileFragment", fragment).metadata.num_row_groups
    return [group.id for group in groups] == list(range(every))


def _is_whole(dataset: ds.Dataset) -> bool:
    return all(_has_all_groups(fragment) for fragment in dataset.get_fragments())


def _is_plain_parquet(dataset: ds.Dataset) -> bool:
    """Say whether a dataset is all rows of Parquet files that are read as usual."""
    import pyarrow.dataset as ds

    return (
        is_of(dataset, "pyarrow.dataset", "FileSystemDataset")
        and len(dataset.schema) > 0  # an empty one is none to a fragment
        and not getattr(dataset, "_scan_options", None)
        and dataset.format == ds.ParquetFileFormat()
    )


def _files(dataset: ds.Dataset) -> list[str]:
    """Return the files of a dataset that are of this computer."""
    if is_of(dataset, "pyarrow.dataset", "UnionDataset"):
        children = cast("ds.UnionDataset", dataset).children
        return [path for child in children for path in _files(child)]
    if not is_of(dataset, "pyarrow.dataset", "FileSystemDataset"):
        return []
    found = cast("ds.FileSystemDataset", dataset)
    system, root = found.filesystem, ""
    while system.type_name == "subtree":
        system, root = system.base_fs, f"{system.base_path.rstrip('/')}/{root}"
    return [f"{root}{path}" for path in found.files] if system.type_name == "local" else []


def _counts(dataset: ds.Dataset) -> bool:
    """Say whether the rows are counted without reading them."""
    if getattr(dataset, "_scan_options", None):
        return False  # a filter, which has to look at every row
    if is_of(dataset, "pyarrow.dataset", "UnionDataset"):
        return all(_counts(child) for child in cast("ds.UnionDataset", dataset).children)
    if is_of(dataset, "pyarrow.dataset", "FileSystemDataset"):
        return bool(cast("ds.FileSystemDataset", dataset).format.default_extname == "parquet")
    return is_of(dataset, "pyarrow.dataset", "InMemoryDataset")
