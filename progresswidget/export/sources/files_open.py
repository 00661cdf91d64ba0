"""One file of each kind, opened: its columns, how many rows it says it has, and its batches."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import SourceError
from progresswidget.export.sources import QUERY_ROWS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from pathlib import Path

    import pyarrow as pa

_BATCH_BYTES: Final = 2 << 20
"""Bytes of a batch as a Parquet file tells them; what is decoded may be more."""
_BLOCK: Final = 4 << 20
"""Bytes of text that are parsed at a time; the first block decides on the types."""


@dataclass(slots=True)
class Rows:
    """An open file.

    Parameters
    ----------
    schema
        Its columns, without notes that some library left there.
    count
        Its rows, or None if only reading tells.
    batches
        Returns its batches, of about so many rows.
    held
        What is closed with it.
    """

    schema: pa.Schema
    count: int | None
    batches: Callable[[int], Iterable[pa.RecordBatch]]
    held: tuple[Any, ...]

    def __init__(
        self,
        schema: pa.Schema,
        count: int | None,
        batches: Callable[[int], Iterable[pa.RecordBatch]],
        *held: Any,
    ) -> None:
        self.schema = schema.remove_metadata()
        self.count = count
        self.batches = lambda rows: (batch.replace_schema_metadata(None) for batch in batches(rows))
        self.held = held

    def close(self) -> None:
        """Close the file."""
        for each in self.held:
            each.close()


def _parquet(path: Path) -> Rows:
    from pyarrow import parquet

    file = parquet.ParquetFile(path)
    count = file.metadata.num_rows

    def batches(rows: int) -> Generator[pa.RecordBatch, None, None]:
        # A group at a time: the reader of the whole file reads ahead without a bound.
        for group in range(file.num_row_groups):
            few = min(_few(file.metadata.row_group(group)), rows)
            yield from file.iter_batches(few, row_groups=[group], use_threads=False)

    return Rows(file.schema_arrow, count, batches, file)


def _few(group: Any) -> int:
    """Return how many rows a batch of a row group shall have: several are under way."""
    width: int = group.total_byte_size // max(group.num_rows, 1)
    return max(min(_BATCH_BYTES // max(width, 1), QUERY_ROWS), 1)


def _ipc(path: Path) -> Rows:
    import pyarrow as pa

    handle = pa.memory_map(str(path))
    try:
        file = pa.ipc.open_file(handle)
    except pa.ArrowInvalid:
        handle.seek(0)
        stream = pa.ipc.open_stream(handle)
        return Rows(stream.schema, None, lambda _: map(_validated, stream), stream, handle)
    count = range(file.num_record_batches)
    total = sum(file.get_batch(index).num_rows for index in count)
    return Rows(
        file.schema, total, lambda _: (_validated(file.get_batch(index)) for index in count), handle
    )


def _validated(batch: pa.RecordBatch) -> pa.RecordBatch:
    # The reader believes what a file says of its offsets; they may lead out of the memory.
    batch.validate(full=True)
    return batch


def _orc(path: Path) -> Rows:
    import pyarrow as pa
    from pyarrow import orc

    handle = pa.OSFile(str(path))
    file = orc.ORCFile(handle)
    return Rows(
        file.schema, file.nrows, lambda _: map(file.read_stripe, range(file.nstripes)), handle
    )


def _text(path: Path) -> Any:
    import pyarrow as pa

    return pa.input_stream(str(path), compression="detect")


def _csv(path: Path, wanted: pa.Schema | None = None, delimiter: str = ",") -> Rows:
    rows = _csv_of(path, delimiter, {})
    try:
        types = _told(rows.schema, path, delimiter) if wanted is None else _others(rows, wanted)
    except BaseException:
        rows.close()
        raise
    if not types:
        return rows
    rows.close()
    return _csv_of(path, delimiter, types)


def _tsv(path: Path, wanted: pa.Schema | None = None) -> Rows:
    return _csv(path, wanted, "\t")


def _csv_of(path: Path, delimiter: str, types: Mapping[str, pa.DataType]) -> Rows:
    from pyarrow import csv

    handle = _text(path)
    try:
        reader = csv.open_csv(
            handle,
            read_options=csv.ReadOptions(block_size=_BLOCK),
            parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(column_types=types),
        )
    except BaseException:
        handle.close()
        raise
    return Rows(reader.schema, None, lambda _: reader, reader, handle)


def _told(schema: pa.Schema, path: Path, delimiter: str) -> dict[str, pa.DataType]:
    """Return the columns of CSV that are texts although they look like numbers.

    As a number ``01234`` loses its zero, and a long one its last digits.

    Raises
    ------
    SourceError
        If a column is no UTF-8, of which the reader makes bytes.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    signs: dict[str, str] = {}
    for field in schema:
        if pa.types.is_binary(field.type):
            raise SourceError(
                f"The file {path.name!r} is no UTF-8: its column {field.name!r} has other bytes.",
                "Convert it first, for instance with iconv -f latin1 -t utf-8.",
            )
        if pa.types.is_integer(field.type):
            signs[field.name] = r"^[+-]?0\d"
        elif pa.types.is_floating(field.type):
            signs[field.name] = r"^[+-]?(0\d|\d{16,}$)"
    if not signs or len(set(schema.names)) < len(schema):
        return {}
    with closing(_csv_of(path, delimiter, dict.fromkeys(signs, pa.string()))) as rows:
        first = next(iter(rows.batches(0)), None)
    if first is None:
        return {}
    return {
        name: pa.string()
        for name, sign in signs.items()
        if pc.any(pc.match_substring_regex(first[name], sign)).as_py()
    }


def _others(rows: Rows, wanted: pa.Schema) -> dict[str, pa.DataType]:
    """Return the columns that are to have other types than the file alone tells."""
    if rows.schema.names != wanted.names:
        return {}
    pairs = zip(rows.schema, wanted, strict=True)
    return {other.name: other.type for own, other in pairs if own.type != other.type}


def merged(schema: pa.Schema, other: pa.Schema) -> pa.Schema:
    """Return the columns of two files of text, whose types are only what their values look like."""
    import pyarrow as pa

    def both(one: pa.DataType, two: pa.DataType) -> pa.DataType:
        if one == two or pa.types.is_null(two):
            return one
        if pa.types.is_null(one):
            return two
        numbers = pa.types.is_integer, pa.types.is_floating
        if all(any(is_one(kind) for is_one in numbers) for kind in (one, two)):
            return pa.float64()
        return pa.string()

    pairs = zip(schema, other, strict=True)
    return pa.schema([(own.name, both(own.type, its.type)) for own, its in pairs])


def _ndjson(path: Path) -> Rows:
    from pyarrow import json

    handle = _text(path)
    try:
        reader = json.open_json(handle, read_options=json.ReadOptions(block_size=_BLOCK))
    except BaseException:
        handle.close()
        raise
    return Rows(reader.schema, None, lambda _: reader, reader, handle)


GUESSED: Final[dict[str, Callable[[Path, pa.Schema | None], Rows]]] = {
    ".csv": _csv,
    ".tsv": _tsv,
}
"""Those whose types are what values look like: others can be asked for."""
OPENERS: Final[dict[str, Callable[[Path], Rows]]] = {
    ".parquet": _parquet,
    ".arrow": _ipc,
    ".feather": _ipc,
    ".ipc": _ipc,
    ".arrows": _ipc,
    ".orc": _orc,
    ".csv": _csv,
    ".tsv": _tsv,
    ".ndjson": _ndjson,
    ".jsonl": _ndjson,
}
