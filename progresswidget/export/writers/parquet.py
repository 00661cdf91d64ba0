"""Parquet (https://parquet.apache.org/docs/file-format/) by pyarrow, one row group at a time.

Every Arrow type keeps its type where Parquet has it, and where it has not, the Arrow schema in the
file brings it back for pyarrow, pandas and polars:

==============================  ==============================================================
type                            in the file
==============================  ==============================================================
duration                        64-bit integers, a duration again by the Arrow schema
timestamp in seconds            milliseconds
date64                          date
float16                         Float16
dictionary (categorical)        its values; of text a dictionary again by the Arrow schema
string and binary views         large string, large binary: older readers know no views
list view                       list; inside of other types as pyarrow writes it
run-end encoded                 its values
null                            a column without values
extension types                 their storage, the extension again by the Arrow schema
union, month-day-nano interval  refused, as is a struct without fields: Parquet has none of them
==============================  ==============================================================

Names of columns must differ. The row count of a frame without columns is lost.

Row groups have 262,144 rows, fewer where rows are large, so that progress moves and memory stays
bounded. The dictionary page is limited to 128 KiB: with pyarrow's 1 MiB a column of distinct
values is hashed for half of such a row group before the encoder gives up. Measured on the mixed
frame: 1.14 s and 87 MB against 2.02 s and 101 MB, and no slower than groups of a million rows.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError, OptionError
from progresswidget.export.options import Option
from progresswidget.export.writers import Encoded, Heading, Placed, Writer, only_schema

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

ROW_GROUP: Final = 262_144
ROW_GROUP_BYTES: Final = 64 * 2**20
# Row groups stay in the file for ever: each costs the footer an entry per column, and readers a
# request per column and group. So a slow source must wait five seconds *and* bring enough rows to
# make pages worth compressing; one that brings less shows its life in `Progress.read` alone. A fast
# source fills its groups in less than five seconds, and a size that was asked for is kept exactly.
PATIENCE: Final = 5.0
LEAST_ROWS: Final = 16_384
DICTIONARY_PAGE: Final = 128 * 2**10


def _check_row_group(value: int | None) -> str | None:
    # pyarrow silently lowers anything above this.
    return None if value is None or 1 <= value <= 64 * 2**20 else "must be 1 to 67,108,864 rows"


class Capture(io.RawIOBase):
    """The write end that pyarrow sees: it keeps the pieces until they are taken."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        """Say that it can be written to."""
        return True

    def tell(self) -> int:
        """Return the position in the file."""
        return self._position

    def write(self, data: Any) -> int:
        """Keep one piece."""
        piece = bytes(data)
        self._pieces.append(piece)
        self._position += len(piece)
        return len(piece)

    def take(self) -> list[bytes]:
        """Return what was written since the last call."""
        pieces, self._pieces = self._pieces, []
        return pieces


class ParquetWriter(Writer):
    """Encode batches as row groups.

    Parameters
    ----------
    headings
        The one table; the metadata of its schema shall be in the file.
    options
        Values of all options of the format.

    Raises
    ------
    ColumnError
        If Parquet cannot hold a column.
    OptionError
        If the codec is missing in this build of pyarrow, or has no such level.
    """

    OPTIONS = (
        Option(
            "compression",
            (str, type(None)),
            "zstd",
            "The codec of the column chunks.",
            choices=("zstd", "snappy", "gzip", "lz4", "brotli", "none"),
        ),
        Option(
            "compression_level",
            (int, type(None)),
            None,
            "The level of the codec: more is smaller and slower.",
        ),
        Option(
            "row_group_size",
            (int, type(None)),
            None,
            "Rows in a row group; by default 262,144, and fewer where rows are large.",
            check=_check_row_group,
        ),
    )

    least_rows = LEAST_ROWS

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        schema = only_schema(headings, "Parquet")
        size = options["row_group_size"]
        self.unit_rows: int = size or ROW_GROUP
        self.unit_bytes = 2**63 if size else ROW_GROUP_BYTES
        self.unit_patience = math.inf if size else PATIENCE
        self._codec = _codec(options["compression"], options["compression_level"])
        _check_names(schema)
        self._schema = _storable(schema)
        self._check()
        self._file = Capture()
        self._writer = self._open(self._schema, self._file)

    def head(self) -> Sequence[bytes]:
        """Return the magic number."""
        return self._file.take()

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return one row group."""
        import pyarrow as pa

        arrays = zip(*(batch.columns for batch in batches), strict=True)
        table = pa.Table.from_arrays(
            [
                _convert(pa.chunked_array(chunks), field)
                for chunks, field in zip(arrays, self._schema, strict=True)
            ],
            schema=self._schema,
        )
        # Every batch may bring a dictionary of its own; a row group has one, or else it is
        # written out plainly, which polars before 2 cannot read as categories.
        table = table.unify_dictionaries()
        self._writer.write_table(table, row_group_size=max(table.num_rows, 1))
        return Encoded(self._file.take())

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[bytes]:
        """Return the footer."""
        self._writer.close()
        return self._file.take()

    def _open(self, schema: pa.Schema, file: Capture) -> Any:
        import pyarrow.parquet as pq

        return pq.ParquetWriter(
            file, schema, dictionary_pagesize_limit=DICTIONARY_PAGE, **self._codec
        )

    def _check(self) -> None:
        import pyarrow as pa

        for field in self._schema:
            alone = pa.schema([field])
            try:
                with self._open(alone, Capture()) as writer:
                    writer.write_table(alone.empty_table())
            except (pa.ArrowException, ValueError, TypeError) as error:
                raise ColumnError(
                    f"Parquet cannot hold the column {field.name!r} of type {field.type}.",
                    "Change its type or leave it out.",
                ) from error


def _codec(name: str | None, level: int | None) -> dict[str, Any]:
    import pyarrow as pa

    if name is None:
        name = "none"
    if name != "none" and not pa.Codec.is_available(name):
        raise OptionError(f"This pyarrow was built without {name}.", "Choose another compression.")
    if level is not None:
        try:
            lowest, highest = (
                pa.Codec.minimum_compression_level(name),
                pa.Codec.maximum_compression_level(name),
            )
        except (ValueError, TypeError):
            raise OptionError(f"The compression {name} has no levels.") from None
        if not lowest <= level <= highest:
            raise OptionError(
                f"The option compression_level of {name} must be {lowest} to {highest}."
            )
    return {"compression": name, "compression_level": level}


def _check_names(schema: pa.Schema) -> None:
    for name, count in Counter(schema.names).items():
        if count > 1:
            raise ColumnError(
                f"Parquet cannot hold {count} columns with the name {name!r}.",
                "Rename the columns so that the names differ.",
            )
        try:
            name.encode()
        except UnicodeEncodeError:
            raise ColumnError(
                f"The column name {name!r} cannot be written as UTF-8.", "Rename the column."
            ) from None


def _convert(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    import pyarrow as pa

    if column.type == field.type:
        return column
    try:
        return pa.chunked_array(
            [_convert_chunk(chunk, field.type) for chunk in column.chunks], field.type
        )
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise ColumnError(
            f"The column {field.name!r} cannot be written as {field.type}: {error}",
            "Change its type or leave it out.",
        ) from error


def _convert_chunk(array: pa.Array, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_run_end_encoded(array.type):
        array = pc.run_end_decode(array)
    elif pa.types.is_dictionary(array.type) and not pa.types.is_dictionary(kind):
        array = array.dictionary_decode()
    elif pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
        array = _list_of_view(array, kind)
    return array.cast(kind)


def _list_of_view(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return a list array of the values of a view array; pyarrow's own cast makes a broken one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    large = pa.types.is_large_list(kind)
    lengths = pc.fill_null(pc.list_value_length(array), 0).cast(pa.int64())
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(lengths)])
    build = pa.LargeListArray if large else pa.ListArray
    offsets = offsets.cast(pa.int64() if large else pa.int32())
    return build.from_arrays(offsets, array.flatten(), mask=array.is_null())


def _storable(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    return pa.schema(
        [field.with_type(_storable_type(_list_type(field.type))) for field in schema],
        metadata=schema.metadata,
    )


def _storable_type(kind: pa.DataType) -> pa.DataType:  # noqa: PLR0911 - one row a kind
    """Return the type under which a column is handed to pyarrow's encoder."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return kind
    if pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_run_end_encoded(kind):
        return _storable_type(kind.value_type)
    if pa.types.is_dictionary(kind):
        value = _storable_type(kind.value_type)
        if pa.types.is_nested(value):
            return value
        return pa.dictionary(kind.index_type, value, kind.ordered)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_storable_type(field.type)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(
            kind.key_field.with_type(_storable_type(kind.key_type)),
            kind.item_field.with_type(_storable_type(kind.item_type)),
            keys_sorted=kind.keys_sorted,
        )
    return _storable_list(kind)


def _storable_list(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_fixed_size_list(kind):
        item = kind.value_field.with_type(_storable_type(kind.value_type))
        return pa.list_(item, kind.list_size)
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_storable_type(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_storable_type(kind.value_type)))
    return kind


def _list_type(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_list_view(kind):
        return pa.list_(kind.value_field)
    if pa.types.is_large_list_view(kind):
        return pa.large_list(kind.value_field)
    return kind
