"""Arrow's own formats (https://arrow.apache.org/docs/format/Columnar.html): stream and file.

The file format is what Feather version 2 is. Columns keep their types, but for these:

==========================  ==================================================================
type                        in the file
==========================  ==================================================================
string and binary views     large string, large binary
list views                  lists
run-end encoded             its values
dictionary in a file        with 32-bit indices at least; inside of other types its values
==========================  ==================================================================

pyarrow would write a slice of views with all the text of its parent, and polars reads no list
views and no run ends. In a stream, every unit brings the dictionaries that it uses: what has been
written needs not be known, and pyarrow, pandas and polars read dictionaries that are replaced. A
file may have one dictionary only for each column, or one that grows by deltas, which polars does
not read. So it grows here, and is written behind the batches: see `arrowfile`.

Nothing is copied but views, whose text may lie anywhere: the values go from the memory of the frame
to the file. Views are gathered before the digest is taken, which then need not gather them again.
polars, whose own files keep them, is faster by that; readers of some years ago know none.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError, OptionError
from progresswidget.export.options import Option
from progresswidget.export.writers import Encoded, Heading, Placed, Writer, arrowfile, only_schema
from progresswidget.export.writers.buffers import Buffers, joined
from progresswidget.export.writers.columns import check_name
from progresswidget.export.writers.growing import Growing, file_type
from progresswidget.export.writers.storable import convert, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from progresswidget.export.writers import Piece

CHOICES: Final = ("lz4", "zstd", "none")
FEW_ROWS: Final = 16_384
"""Batches of fewer rows on average are joined: a message costs readers a moment of its own."""
MESSAGE: Final = struct.Struct("<iq")
"""What is remembered of a message: the bytes of its metadata, and of all of it."""


class ArrowStreamWriter(Writer):
    """Encode batches as an Arrow IPC stream.

    Parameters
    ----------
    headings
        The one table.
    options
        Values of all options of the format.

    Raises
    ------
    ColumnError
        If a column cannot be written.
    OptionError
        If the codec is missing in this build of pyarrow, or has no such level.
    """

    OPTIONS = (
        Option(
            "compression",
            (str, type(None)),
            None,
            "The codec of the buffers; by default none.",
            choices=CHOICES,
        ),
        Option(
            "compression_level",
            (int, type(None)),
            None,
            "The level of zstd: more is smaller and slower.",
        ),
    )

    workers = 2
    resumable = True

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        self._ipc = _ipc_options(options["compression"], options["compression_level"])
        self._schema = _stored(only_schema(headings, "Arrow"))
        _check(self._schema)

    def head(self) -> Sequence[Piece]:
        """Return the schema."""
        return [self._schema.serialize()]

    def settle(self, batches: list[pa.RecordBatch], start: int) -> list[pa.RecordBatch]:
        """Return the batches with the types of the file."""
        return _all_converted(batches, self._schema, start)

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return the messages of some rows."""
        converted = _all_converted(_large(batches), self._schema, start)
        parts = [part for each in _encode(converted, self._schema, self._ipc) for part in each]
        return Encoded(joined(parts))

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the end of the stream."""
        return [arrowfile.END_OF_STREAM]


class FeatherWriter(Writer):
    """Encode batches as an Arrow IPC file, which is Feather version 2.

    Parameters
    ----------
    headings
        The one table.
    options
        Values of all options of the format.

    Raises
    ------
    ColumnError
        If a column cannot be written.
    OptionError
        If the codec is missing in this build of pyarrow, or has no such level.
    """

    OPTIONS = (
        replace(
            ArrowStreamWriter.OPTIONS[0],
            default="lz4",
            summary="The codec of the buffers; lz4 is what Feather has by default.",
        ),
        ArrowStreamWriter.OPTIONS[1],
    )

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        import pyarrow as pa

        self._ipc = _ipc_options(options["compression"], options["compression_level"])
        schema = _stored(only_schema(headings, "Arrow"))
        fields = [field.with_type(file_type(field.type)) for field in schema]
        self._schema = pa.schema(fields, metadata=schema.metadata)
        _check(self._schema)
        self._dictionaries = {
            position: Growing(field)
            for position, field in enumerate(self._schema)
            if pa.types.is_dictionary(field.type)
        }
        # A dictionary grows in the order of the file, in the memory of one process.
        self.resumable = not self._dictionaries
        self.workers = 1 if self._dictionaries else 2
        self.arranges = bool(self._dictionaries)
        self._indexed = pa.schema([_index_field(field) for field in self._schema])

    def head(self) -> Sequence[Piece]:
        """Return the magic number and the schema."""
        return [arrowfile.START, self._schema.serialize()]

    def settle(self, batches: list[pa.RecordBatch], start: int) -> list[pa.RecordBatch]:
        """Return the batches with the types of the file."""
        return _all_converted(batches, self._schema, start)

    def arrange(self, batches: list[pa.RecordBatch]) -> list[pa.RecordBatch]:
        """Return the batches with indices into the dictionaries of the file, which may grow."""
        return [self._with_indices(batch) for batch in batches]

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return the messages of some rows."""
        pieces: list[Piece] = []
        note = b""
        indexed = (
            _converted(self._with_indices(batch), self._indexed, start) for batch in _large(batches)
        )
        for parts in _encode(indexed, self._indexed, self._ipc):
            message = arrowfile.message(parts)
            pieces += message.pieces
            note += MESSAGE.pack(message.metadata, message.size)
        return Encoded(pieces, note)

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the dictionaries and the footer."""
        blocks = [block for unit in units for block in _blocks(unit)]
        pieces: list[Piece] = []
        found = []
        for parts in self._dictionary_messages():
            message = arrowfile.message(parts)
            pieces += message.pieces
            body = message.size - message.metadata
            found.append(arrowfile.Block(offset, message.metadata, body))
            offset += message.size
        return [*pieces, arrowfile.end(self._schema, found, blocks)]

    def _with_indices(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        arrays = batch.columns
        if not any(pa.types.is_dictionary(arrays[place].type) for place in self._dictionaries):
            return batch  # arranged already, or without any
        fields = list(batch.schema)
        for place, dictionary in self._dictionaries.items():
            stored = self._schema.field(place)
            arrays[place] = dictionary.indices(convert(arrays[place], stored))
            fields[place] = self._indexed.field(place)
        return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))

    def _dictionary_messages(self) -> Iterator[list[Any]]:
        import pyarrow as pa
        import pyarrow.ipc

        arrays = [pa.nulls(0, field.type) for field in self._schema]
        for position, dictionary in self._dictionaries.items():
            kind = self._schema.field(position).type
            none = pa.nulls(0, kind.index_type)
            arrays[position] = pa.DictionaryArray.from_arrays(
                none, dictionary.values, ordered=kind.ordered
            )
        buffers = Buffers()
        writer = pyarrow.ipc.new_stream(buffers, self._schema, options=self._ipc)
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        parts = buffers.take()
        for message in pyarrow.ipc.MessageReader.open_stream(b"".join(parts)):
            if message.type == "dictionary":
                yield [message.serialize()]


def _blocks(unit: Placed) -> Iterator[arrowfile.Block]:
    offset = unit.offset
    for metadata, size in MESSAGE.iter_unpack(unit.note):
        yield arrowfile.Block(offset, metadata, size - metadata)
        offset += size


def _index_field(field: pa.Field) -> pa.Field:
    import pyarrow as pa

    return field.with_type(field.type.index_type) if pa.types.is_dictionary(field.type) else field


def _encode(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, options: Any
) -> Iterator[list[Any]]:
    """Yield the parts of the messages of each batch; the schema is left out."""
    import pyarrow.ipc

    buffers = Buffers()
    writer = pyarrow.ipc.new_stream(buffers, schema, options=options)
    ahead = schema.serialize().size  # pyarrow writes it with the first batch
    for batch in batches:
        writer.write_batch(batch)
        parts = buffers.take()
        while ahead > 0:
            ahead -= len(parts.pop(0))
        yield parts


def _large(batches: Sequence[pa.RecordBatch]) -> Sequence[pa.RecordBatch]:
    import pyarrow as pa

    rows = sum(batch.num_rows for batch in batches)
    if len(batches) == 1 or rows >= FEW_ROWS * len(batches) or not batches[0].num_columns:
        return batches
    joined: list[pa.RecordBatch] = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return joined


def _all_converted(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, start: int
) -> list[pa.RecordBatch]:
    converted = []
    for batch in batches:
        converted.append(_converted(batch, schema, start))
        start += batch.num_rows
    return converted


def _converted(batch: pa.RecordBatch, schema: pa.Schema, start: int) -> pa.RecordBatch:
    import pyarrow as pa

    if batch.schema.equals(schema) or not batch.num_columns:
        return batch
    columns = zip(batch.columns, schema, strict=True)
    arrays = [convert(array, field, start) for array, field in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _stored(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    for name in schema.names:
        check_name(name)
    fields = [field.with_type(storable(field.type)) for field in schema]
    return pa.schema(fields, metadata=schema.metadata)


def _check(schema: pa.Schema) -> None:
    """Refuse columns that pyarrow does not write, which costs less to try of all at once."""
    if _refused(schema) is None:
        return
    import pyarrow as pa

    for field in schema:
        error = _refused(pa.schema([field]))
        if error is not None:
            raise ColumnError(
                f"Arrow IPC cannot hold the column {field.name!r} of type {field.type}.",
                "Change its type or leave it out.",
            ) from error


def _refused(schema: pa.Schema) -> Exception | None:
    import pyarrow as pa

    try:
        row = [pa.nulls(1, field.type) for field in schema]
        next(_encode([pa.RecordBatch.from_arrays(row, schema=schema)], schema, None))
    except (pa.ArrowException, ValueError, TypeError) as error:
        return error
    return None


def _ipc_options(name: str | None, level: int | None) -> Any:
    import pyarrow as pa
    import pyarrow.ipc

    if level is not None and name != "zstd":
        raise OptionError(f"The compression {name} has no levels.", "Choose zstd.")
    if name in {None, "none"}:
        return pyarrow.ipc.IpcWriteOptions()
    if not pa.Codec.is_available(name):
        raise OptionError(f"This pyarrow was built without {name}.", "Choose another compression.")
    if level is None:
        return pyarrow.ipc.IpcWriteOptions(compression=name)
    lowest, highest = (
        pa.Codec.minimum_compression_level(name),
        pa.Codec.maximum_compression_level(name),
    )
    if not lowest <= level <= highest:
        raise OptionError(f"The option compression_level of zstd must be {lowest} to {highest}.")
    return pyarrow.ipc.IpcWriteOptions(compression=pa.Codec(name, compression_level=level))
