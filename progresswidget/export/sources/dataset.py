"""pyarrow Datasets and Scanners: files read batch by batch, a few ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from progresswidget.export.sources import BATCH_ROWS, QUERY_ROWS, Source, is_of
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
        scanner = self._dataset.scanner(
            batch_size=QUERY_ROWS if files else BATCH_ROWS,
            batch_readahead=AHEAD,
            fragment_readahead=1,
        )
        return read_batches(scanner.to_reader())

    def check(self) -> None:
        self._check()


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
