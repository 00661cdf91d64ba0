"""Parquet (https://parquet.apache.org/docs/file-format/) by pyarrow, several row groups at a time.

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
list view                       list
run-end encoded                 its values
decimal of a negative scale     decimal without places
binary and list of size 0       binary, list
null                            a column without values
extension types                 their storage, the extension again by the Arrow schema
union, month-day-nano interval  refused, as is a struct without fields: Parquet has none of them
==============================  ==============================================================

Names of columns must differ. The row count of a frame without columns is lost.

Spark 4 reads all of it but Float16, times of day, timestamps in nanoseconds, decimals of more than
38 digits, and brotli without its codec; a duration is a number there.

Each unit is encoded as a small file of its own, on any thread and in any order, and
`parquet_footer` joins them; the result does not depend on who encoded what.

Why pyarrow, and not polars: for every type above their encoders need the same processor (5 million
rows of the mixed frame with snappy: 0.9 s both, and 1.1 s pyarrow's as it is), and pyarrow's can be
told what it need not do, see `parquet_columns`, works on threads of ours, and keeps every type
above. What is left between us and polars is the digest of numbers (0.04 s), the look at Arrow's
texts (0.04), what the footers of the units take (0.04), and the thread that reads and the one that
gives out units (0.05). Texts that Arrow has made dictionaries of before, dictionaries that are
found by the views of texts and not by their bytes, and larger batches and pages gained nothing.
Pages of numbers made by numpy and Arrow's codecs take up to half of the encoder's processor less,
one by one, and exports that were made of them took as long: their many short calls have to wait for
the GIL.

The bytes of a unit go to memory that is used again. A stream that grows copies them while it does,
and was given 4,000 new pages by the system for each unit: 4 % of the processor of an export with
snappy, and 5 % of its time (three runs in turns).

A row group has 262,144 rows, and not half of them: the look at a sample, the dictionaries, and the
footer of each unit then cost half, which was 7 to 8 % of all the processor of an export (two runs
of five and seven rounds: 1.25 s instead of 1.35, and 1.33 instead of 1.45), for 20 to 30 MB more of
memory. Three workers take 130 MB more than two with half of these rows, and were no faster on two
cores. Smaller groups at the end, so that no worker waits long for another, gained nothing either.

The dictionary page is limited to 128 KiB: with pyarrow's 1 MiB a column of distinct values is
hashed for half of a row group before the encoder gives up, which costs 1.7 times the processor.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError
from progresswidget.export import memory
from progresswidget.export.workers import give_way
from progresswidget.export.writers import Encoded, Heading, Placed, Writer, only_schema
from progresswidget.export.writers.parquet_columns import Columns
from progresswidget.export.writers.parquet_footer import MAGIC, footer, join, split
from progresswidget.export.writers.parquet_options import (
    OPTIONS,
    bloom_paths,
    check_names,
    settings,
)
from progresswidget.export.writers.parquet_statistics import tell
from progresswidget.export.writers.parquet_types import column_type, encoder_type
from progresswidget.export.writers.storable import convert, no_rows, without_dictionary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

ROW_GROUP: Final = 262_144
ROW_GROUP_BYTES: Final = 48 * 2**20
# Row groups stay in the file for ever: each costs the footer an entry per column, and readers a
# request per column and group. So a slow source must wait five seconds *and* bring enough rows to
# make pages worth compressing; one that brings less shows its life in `Progress.read` alone. A fast
# source fills its groups in less than five seconds, and a size that was asked for is kept exactly.
PATIENCE: Final = 5.0
LEAST_ROWS: Final = 16_384
DICTIONARY_PAGE: Final = 128 * 2**10
ROOM: Final = ROW_GROUP_BYTES * 3 // 2
"""Bytes that a unit is given at first; hardly any becomes larger than its rows are in Arrow."""


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
        If this build of pyarrow lacks what an option asks for, or there is no such column.
    """

    OPTIONS = OPTIONS

    workers = 2
    queried = 3
    resumable = True
    least_rows = LEAST_ROWS

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        schema = only_schema(headings, "Parquet")
        size = options["row_group_size"]
        self._group_rows: int = size or ROW_GROUP
        # Small groups share a unit, so that a file of thousands does not start an encoder for each.
        self.unit_rows = self._group_rows * max(LEAST_ROWS // self._group_rows, 1)
        self.unit_bytes = 2**63 if size else ROW_GROUP_BYTES
        self.unit_patience = math.inf if size else PATIENCE
        check_names(schema, options)
        self._schema = _with_types(schema, column_type)
        paths = _paths(self._schema)
        self._settings = settings(options, paths)
        self._blooms = bloom_paths(options, paths)
        for name in options["bloom_filter"] or ():
            self._check_bloom(self._schema.field(name))
        # What is encoded may have views where the file has text: their bytes are the same.
        views = _with_types(schema, encoder_type)
        self._encoded = views if _takes(views) else self._schema
        self._columns = Columns(self._encoded, self._settings, paths)
        self._rooms = memory.Rooms(ROOM)

    def head(self) -> Sequence[bytes]:
        """Return the magic number."""
        return [MAGIC]

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return the pages of one row group, or of several if these are small."""
        import pyarrow as pa

        columns = zip(*(batch.columns for batch in batches), strict=True)
        table = pa.Table.from_arrays(
            [
                _stored(chunks, field, start)
                for chunks, field in zip(columns, self._encoded, strict=True)
            ],
            schema=self._encoded,
        )
        # Every batch may bring a dictionary of its own; a row group has one, or else it is
        # written out plainly, which polars before 2 cannot read as categories.
        table = table.unify_dictionaries()
        give_way()
        choice = self._columns.choose(table)
        try:
            give_way()
            file = memoryview(self._file(table, choice.settings, self._rooms)).cast("B")
            give_way()
            data, note = split(file, lambda groups: tell(file, groups, table, choice.told))
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise _blame(table, start, error) from error
        return Encoded([data], note)

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[bytes]:
        """Return the page index, if there is one, and the footer."""
        empty = footer(memoryview(self._file(no_rows(self._schema), self._settings)).cast("B"))
        return join(empty, units, offset)

    def _file(
        self, table: pa.Table, settings: Mapping[str, Any], rooms: memory.Rooms | None = None
    ) -> pa.Buffer:
        """Return a table as a file of its own."""
        rows = max(min(table.num_rows, self._group_rows), 1)
        keywords = dict(settings)
        if self._blooms:
            keywords["bloom_filter_options"] = {path: {"ndv": rows} for path in self._blooms}
        if rooms is None:
            return _write(table, rows, keywords)
        return _fill(rooms, table, rows, keywords)

    def _check_bloom(self, field: pa.Field) -> None:
        import pyarrow as pa

        try:
            self._file(no_rows(pa.schema([field])), self._settings)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ColumnError(
                f"The column {field.name!r} of type {field.type} can have no Bloom filter.",
                "Leave it out of the option bloom_filter.",
            ) from error


def _stored(chunks: Sequence[pa.Array], field: pa.Field, start: int) -> pa.ChunkedArray:
    """Return a column as the type of the file, without the missing words that pyarrow refuses."""
    import pyarrow as pa

    give_way()
    stored = []
    for chunk in chunks:
        array = chunk
        if pa.types.is_dictionary(array.type) and array.dictionary.null_count:
            array = without_dictionary(array).dictionary_encode()
        stored.append(convert(array, field, start))
        start += len(array)
    return pa.chunked_array(stored, field.type)


def _fill(
    rooms: memory.Rooms, table: pa.Table, rows: int, keywords: Mapping[str, Any]
) -> pa.Buffer:
    """Return a table as a file in one of the rooms, or elsewhere where it is too large for one."""
    import pyarrow as pa

    room = rooms.take()
    stream = pa.FixedSizeBufferWriter(room)
    try:
        _write_to(stream, table, rows, keywords)
    except OSError:  # those that come next get larger ones
        file = _write(table, rows, keywords)
        rooms.size = max(rooms.size, file.size * 3 // 2)
        return file
    return rooms.lend(room, stream.tell())


def _write(table: pa.Table, rows: int, keywords: Mapping[str, Any]) -> pa.Buffer:
    import pyarrow as pa

    stream = pa.BufferOutputStream(memory.pool())
    _write_to(stream, table, rows, keywords)
    return stream.getvalue()


def _write_to(stream: Any, table: pa.Table, rows: int, keywords: Mapping[str, Any]) -> None:
    import pyarrow.parquet as pq

    # Memory of pyarrow's own takes the bytes: a Python file would fight for the GIL at each write.
    with pq.ParquetWriter(
        stream,
        table.schema,
        dictionary_pagesize_limit=DICTIONARY_PAGE,
        memory_pool=memory.pool(),
        **keywords,
    ) as writer:
        writer.write_table(table, row_group_size=rows)


def _with_types(schema: pa.Schema, change: Callable[[pa.DataType], pa.DataType]) -> pa.Schema:
    import pyarrow as pa

    fields = [field.with_type(change(field.type)) for field in schema]
    return pa.schema(fields, metadata=schema.metadata)


def _paths(schema: pa.Schema) -> dict[str, list[str]]:
    """Return what `_leaves` tells of each column; plain ones of the same type are tried once."""
    import pyarrow as pa

    types = pa.types
    tried: list[pa.DataType] = []
    paths = {}
    for field in schema:
        kind = field.type
        plain = not (types.is_nested(kind) or types.is_dictionary(kind) or _is_extension(kind))
        if plain and kind in tried:
            paths[field.name] = [field.name]
        else:
            paths[field.name] = _leaves(field)
            tried += [kind] if plain else []
    return paths


def _is_extension(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return isinstance(kind, pa.BaseExtensionType)


def _leaves(field: pa.Field) -> list[str]:
    """Return what pyarrow calls the columns that Parquet makes of one."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = _write(no_rows(pa.schema([field])), 1, {})
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise ColumnError(
            f"Parquet cannot hold the column {field.name!r} of type {field.type}.",
            "Change its type or leave it out.",
        ) from error
    schema = pq.ParquetFile(pa.BufferReader(file)).schema
    return [schema.column(number).path for number in range(len(schema))]


def _takes(schema: pa.Schema) -> bool:
    import pyarrow as pa

    try:
        _write(no_rows(schema), 1, {})
    except (pa.ArrowException, OSError, ValueError, TypeError):
        return False
    return True


def _blame(table: pa.Table, start: int, error: Exception) -> Exception:
    """Return an error that names the column and the row which the encoder did not like."""
    for name in table.column_names:
        column = table.select([name])
        if _fails(column):
            row = start
            while column.num_rows > 1:
                half = column.num_rows // 2
                first = column.slice(0, half)
                row, column = (row, first) if _fails(first) else (row + half, column.slice(half))
            return ColumnError(
                f"The column {name!r} has a value in row {row:,} that Parquet cannot hold: {error}",
                "Change the value, or the type of the column.",
            )
    return error


def _fails(table: pa.Table) -> bool:
    import pyarrow as pa

    try:
        _write(table, table.num_rows, {})
    except (pa.ArrowException, ValueError, TypeError):
        return True
    return False
