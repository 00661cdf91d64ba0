"""NDJSON, a JSON object on each line, and JSON (RFC 8259), an array of the same objects.

Each row is an object with all columns, a missing value is ``null``. Booleans, integers of all sizes
and floats are themselves: readers that hold numbers as binary64 lose digits of integers beyond
2**53. ``NaN`` and the infinities, which JSON does not have, are ``null``. Decimals are texts with
all places of the scale, binary is base64 text, and dates, times, timestamps, durations and UUIDs
are texts in the form they have in `csv`. Lists, structs and maps stay arrays and objects, see
`texts`. The encoding is UTF-8 without byte order mark, as RFC 8259 section 8.1 demands.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from progresswidget.errors import ColumnError
from progresswidget.export.forks import refuse_polars
from progresswidget.export.writers import (
    Emission,
    Encoded,
    Heading,
    Piece,
    Placed,
    Writer,
    columns,
    only_schema,
    texts,
)
from progresswidget.export.writers.columns_bounds import check_within
from progresswidget.export.writers.columns_frame import (
    Parts,
    frame_of,
    refuse_types,
    text_bytes,
    text_plan,
)
from progresswidget.export.writers.storable import without_runs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    import pyarrow as pa


class NdjsonWriter(Writer):
    """Encode batches as lines of JSON objects.

    Parameters
    ----------
    headings
        The one table.
    options
        There are none.

    Raises
    ------
    ColumnError
        If a column cannot be written, or two have one name.
    SourceError
        If this process is a fork in which polars would hang.
    """

    FORMAT = "NDJSON"

    # Half as many bytes again as CSV has for each row: two units at a time are enough to hold.
    workers = 2
    unit_rows = 65_536
    queried = 3
    resumable = True

    def __init__(self, headings: Sequence[Heading], options: Mapping[str, Any]) -> None:
        refuse_polars()
        schema = only_schema(headings, self.FORMAT)
        self._names: list[str] = list(schema.names)
        for name, times in Counter(self._names).items():
            columns.check_name(name)
            if times > 1:
                raise ColumnError(
                    f"There are several columns {name!r}, which a JSON object cannot hold.",
                    "Rename them (RFC 8259 section 4), or leave the index of a pandas frame out by "
                    "index=False, where it is one of them.",
                )
        self._raw = [_is_raw(field.type) for field in schema]
        self._plans = [_plan(field.type) for field in schema]
        if any(plan.slow for plan in self._plans):
            self.unit_rows = 8_192  # Python formats some values: still a fraction of a second
        refuse_types(schema, self._plans, self.FORMAT)

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return the lines of some rows."""
        return self._whole(self._lines(batches, start))

    def _whole(self, made: Encoded | Emission) -> Encoded:
        if isinstance(made, Encoded):
            return made
        parts = Parts()
        made.write(parts)
        return Encoded(parts.pieces)

    def prepare(
        self, batches: Sequence[pa.RecordBatch], start: int, section: int
    ) -> Encoded | Emission:
        """Return the lines of some rows, or what writes them."""
        return self._lines(batches, start)

    def _lines(self, batches: Sequence[pa.RecordBatch], start: int) -> Encoded | Emission:
        refuse_polars()
        if not self._plans:
            return Encoded([b"{}\n" * sum(batch.num_rows for batch in batches)])
        frame = frame_of(batches, self._plans, start)
        if any(self._raw):
            return Encoded([text_bytes(frame.select(self._line())["line"])])
        named = frame.rename(dict(zip(frame.columns, self._names, strict=True)))
        return Emission(named.write_ndjson)

    def _line(self) -> pl.Expr:
        """Put a line together from what polars encodes and what is JSON already."""
        import polars as pl

        members: list[pl.Expr] = []
        run: list[pl.Expr] = []
        for position, (name, raw) in enumerate(zip(self._names, self._raw, strict=True)):
            column = pl.col(str(position))
            if not raw:
                run.append(column.alias(name))
                continue
            if run:
                members.append(_encoded(run))
                run = []
            key = json.dumps(name, ensure_ascii=False)
            members.append(pl.concat_str(pl.lit(f"{key}:"), column.fill_null("null")))
        if run:
            members.append(_encoded(run))
        inside = pl.concat_str(members, separator=",")
        return pl.concat_str(pl.lit("{"), inside, pl.lit("}\n")).alias("line")


class JsonWriter(NdjsonWriter):
    """Encode batches as one array of JSON objects, a row on each line."""

    FORMAT = "JSON"

    def begin(self, section: int, offset: int) -> Sequence[Piece]:
        """Open the array."""
        return [b"["]

    def encode(self, batches: Sequence[pa.RecordBatch], start: int, section: int) -> Encoded:
        """Return some elements, with a comma before them unless they are the first."""
        lines = b"".join(self._whole(self._lines(batches, start)).pieces)
        # A line feed inside of a value is escaped, so each one here ends an object.
        return Encoded([b",\n" if start else b"\n", lines[:-1].replace(b"\n", b",\n")])

    def prepare(
        self, batches: Sequence[pa.RecordBatch], start: int, section: int
    ) -> Encoded | Emission:
        """Return what `encode` does: the commas are put in afterwards."""
        return self.encode(batches, start, section)

    def end(self, section: int, units: Sequence[Placed], offset: int) -> Sequence[Piece]:
        """Close the array."""
        return [b"\n]\n" if units else b"]\n"]


def _encoded(run: list[pl.Expr]) -> pl.Expr:
    import polars as pl

    return pl.struct(run).struct.json_encode().str.strip_prefix("{").str.strip_suffix("}")


def _is_raw(kind: pa.DataType) -> bool:
    """Say whether a column is nested in a way that polars cannot encode."""
    import pyarrow as pa

    while isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _is_raw(kind.value_type)
    return pa.types.is_nested(kind) and not _is_native(kind)


def _is_native(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_struct(kind):
        names = [field.name for field in kind]
        unique = len(set(names)) == len(names) > 0
        return unique and all(_is_native(field.type) for field in kind)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _is_native(kind.value_type)
    return bool(
        pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_float32(kind)
        or pa.types.is_float64(kind)
        or pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
    )


def _plan(kind: pa.DataType) -> columns.Plan:
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType) and kind.extension_name != "arrow.uuid":
        return _plan(kind.storage_type).after(lambda array: array.storage)
    if pa.types.is_run_end_encoded(kind):
        return _plan(kind.value_type).after(without_runs)
    if pa.types.is_dictionary(kind) and not columns.is_text(kind.value_type):
        return _plan(kind.value_type).after(lambda array: array.dictionary_decode())
    if pa.types.is_nested(kind) and not _is_native(kind):
        return _raw(kind)
    native = _is_native(kind) or pa.types.is_float16(kind) or pa.types.is_null(kind)
    if native or pa.types.is_dictionary(kind):  # polars writes categories as texts
        return columns.plan(kind) if not pa.types.is_nested(kind) else columns.Plan()
    return text_plan(kind)


def _raw(kind: pa.DataType) -> columns.Plan:
    import pyarrow as pa

    write = texts.writer(kind, texts.finite_leaf)

    def convert(array: pa.Array) -> pa.Array:
        check_within(array)
        values = [None if value is None else write(value) for value in array.to_pylist()]
        return pa.array(values, pa.large_string())

    return columns.Plan(convert, slow=True)
