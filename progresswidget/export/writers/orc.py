"""ORC (https://orc.apache.org/specification/ORCv1/) by pyarrow, as far as it was built with it.

ORC has fewer types than Arrow and keeps no Arrow schema, so these come back as others:

==============================  ==============================================================
type                            in the file
==============================  ==============================================================
uint8, uint16, uint32           the next larger signed integer
uint64                          decimal with 20 digits
float16                         float
decimal32, decimal64            decimal, of no negative scale
large and view types            string, binary, list
fixed size binary and list      binary, list
date64                          date
timestamp                       nanoseconds; what is before 1677 or after 2262 is refused,
                                because pyarrow writes such a file but does not read it
timestamp with time zone        the moment; the zone is lost, and readers say UTC
dictionary, run-end encoded     their values
null                            text without values
extension types                 their storage
time, duration, interval,       refused
decimal256
==============================  ==============================================================

Names of columns must differ. Stripes have 64 MiB before compression, as ORC's own default is.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import ColumnError, OptionError, UnsupportedFormatError
from progresswidget.export.options import Option
from progresswidget.export.writers import Encoded, Heading, Placed, Writer, only_schema
from progresswidget.export.writers.buffers import Buffers, joined
from progresswidget.export.writers.columns import check_name
from progresswidget.export.writers.storable import (
    convert,
    decoded,
    no_rows,
    one_missing,
    rebuilt,
    scaled,
    storable,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from progresswidget.export.writers import Piece


_NEAREST: Final = {
    "null": "string",
    "uint8": "int16",
    "uint16": "int32",
    "uint32": "int64",
    "halffloat": "float",
    "date64[ms]": "date32",
}


class OrcWriter(Writer):
    """Encode batches as stripes.

    Parameters
    ----------
    headings
        The one table.
    options
        Values of all options of the format.

    Raises
    ------
    ColumnError
        If ORC cannot hold a column.
    UnsupportedFormatError
        If this pyarrow was built without ORC.
    """

    OPTIONS = (
        Option(
            "compression",
            (str, type(None)),
            "zstd",
            "The codec of the stripes.",
            choices=("zstd", "snappy", "zlib", "lz4", "none"),
        ),
    )

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        schema = only_schema(headings, "ORC")
        name = options["compression"] or "none"
        self._codec = "uncompressed" if name == "none" else name
        self._schema = _orc_schema(schema)
        self._check(schema)
        self._file = Buffers()
        self._writer = _open(self._file, self._codec)

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return the stripes that have become full; that may be none."""
        import pyarrow as pa

        for batch in batches:
            columns = zip(batch.columns, self._schema, strict=True)
            arrays = [convert(array, field, start) for array, field in columns]
            start += batch.num_rows
            self._writer.write(pa.Table.from_arrays(arrays, schema=self._schema))
        return Encoded(joined(self._file.take()))

    def tail(self, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Return the last stripe and the footer."""
        if not units:  # pyarrow learns the columns from what it writes
            self._writer.write(no_rows(self._schema))
        self._writer.close()
        return joined(self._file.take())

    def _check(self, schema: pa.Schema) -> None:
        import pyarrow as pa

        for given, field in zip(schema, self._schema, strict=True):
            try:
                nothing = convert(one_missing(given.type), field)
                with _open(Buffers(), self._codec) as writer:
                    writer.write(pa.Table.from_arrays([nothing], names=[field.name]))
            except (pa.ArrowException, ColumnError, ValueError, TypeError) as error:
                raise ColumnError(
                    f"ORC cannot hold the column {given.name!r} of type {given.type}.",
                    "Change its type or leave it out.",
                ) from error


def _open(file: Buffers, codec: str) -> Any:
    try:
        from pyarrow import orc
    except ImportError as error:
        raise UnsupportedFormatError(
            "This pyarrow was built without ORC.", "Install another build, or choose .parquet."
        ) from error
    try:
        return orc.ORCWriter(file, compression=codec)
    except (ValueError, NotImplementedError) as error:
        raise OptionError(
            f"This pyarrow writes no ORC with {codec}.", "Choose another compression."
        ) from error


def _orc_schema(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    if not schema.names:
        raise ColumnError("ORC cannot hold a table without columns.", "Add a column.")
    for name, times in Counter(schema.names).items():
        check_name(name)
        if times > 1:
            raise ColumnError(
                f"ORC cannot hold several columns with the name {name!r}.",
                "Rename the columns so that the names differ.",
            )
    return pa.schema([field.with_type(_orc_type(_plain(field.type))) for field in schema])


def _orc_type(kind: pa.DataType) -> pa.DataType:
    """Return the nearest type that pyarrow's ORC writer takes, or one that it will refuse."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return _orc_type(_plain(kind.storage_type))
    if pa.types.is_decimal32(kind) or pa.types.is_decimal64(kind):
        return pa.decimal128(kind.precision, kind.scale)
    if pa.types.is_uint64(kind):
        return pa.decimal128(20, 0)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("ns", kind.tz)
    nearest = _NEAREST.get(str(kind))
    return rebuilt(kind, _orc_type) if nearest is None else pa.type_for_alias(nearest)


def _plain(kind: pa.DataType) -> pa.DataType:
    return scaled(decoded(storable(kind)))  # pyarrow ends the process over a negative scale
