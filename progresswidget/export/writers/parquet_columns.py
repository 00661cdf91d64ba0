"""How the columns of one unit are encoded: what pyarrow's encoder would find out too late.

Two things cost that encoder a quarter of its time (3 million rows of the mixed frame with snappy:
0.55 s of processor as it is, 0.40 s with what follows):

- A dictionary is begun for every column, and given up when it has become too large. Columns of
  distinct numbers never needed one, and a thousand values tell which they are.
- Of texts the smallest and the largest value are looked for among all rows. Where there is a
  dictionary, it holds all of them once: see `parquet_statistics`. It makes a column of categories
  half as expensive.

What is decided depends on the rows of the unit alone, whoever encodes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.workers import give_way
from progresswidget.export.writers.storable import convert

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

WINDOWS: Final = 4
WINDOW_ROWS: Final = 256
FEW: Final = 256
"""Values below which a sample says nothing."""
REPEATED: Final = 0.02
"""The share of repeated values from which on a dictionary is begun.

Of 16,384 numbers of eight bytes, which fill a dictionary of 128 KiB, each as often as any other,
1,024 values repeat about 3 %; where fewer repeat, the dictionary would overflow.
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is done with the columns of a unit.

    Parameters
    ----------
    settings
        Keywords for pyarrow's writer.
    told
        The columns of the table whose statistics are ours to tell.
    """

    settings: Mapping[str, Any]
    told: tuple[int, ...] = ()


class Columns:
    """What can be decided for each unit.

    Parameters
    ----------
    schema
        The columns that are encoded.
    settings
        The keywords for pyarrow's writer that the options ask for.
    paths
        The leaves of every column as pyarrow calls them.
    """

    def __init__(
        self, schema: pa.Schema, settings: Mapping[str, Any], paths: Mapping[str, list[str]]
    ) -> None:
        self._settings = dict(settings)
        self._paths = paths
        # What was asked for by name is done; and an index of the pages needs their statistics.
        free = settings["use_dictionary"] is True
        whole = settings["write_statistics"] is True and not settings["write_page_index"]
        self._texts = {place for place, field in enumerate(schema) if free and _is_text(field)}
        self._numbers = {place for place, field in enumerate(schema) if free and _is_number(field)}
        self._telling = whole
        self._coded = {place for place, field in enumerate(schema) if whole and _is_coded(field)}

    def choose(self, table: pa.Table) -> Choice:
        """Return how the columns of a table are best encoded."""
        judged = self._texts | self._numbers
        told = set(self._coded)
        settings = dict(self._settings)
        if judged:
            sample = _sample(table)
            distinct = {place for place in judged if _is_distinct(sample, place)}
            told |= self._texts - distinct if self._telling else set()
            settings["use_dictionary"] = self._leaves(table, distinct)
        if told:
            settings["write_statistics"] = self._leaves(table, told)
        return Choice(settings, tuple(sorted(told)))

    def _leaves(self, table: pa.Table, without: set[int]) -> list[str]:
        return [
            leaf
            for place, name in enumerate(table.column_names)
            if place not in without
            for leaf in self._paths[name]
        ]


def _sample(table: pa.Table) -> pa.Table:
    """Return some rows, of several places: what is side by side is often alike."""
    import pyarrow as pa

    if table.num_rows <= WINDOWS * WINDOW_ROWS:
        return table
    step = table.num_rows // WINDOWS
    return pa.concat_tables([table.slice(window * step, WINDOW_ROWS) for window in range(WINDOWS)])


def _is_distinct(sample: pa.Table, place: int) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    give_way()
    column, field = sample.column(place), sample.schema.field(place)
    if _is_view(field.type):
        large = field.with_type(_large(field.type))
        column = pa.chunked_array([convert(chunk, large) for chunk in column.chunks], large.type)
    valid = len(column) - column.null_count
    if valid < FEW:
        return False
    return bool(valid - pc.count_distinct(column).as_py() < REPEATED * valid)


def _large(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return pa.large_string() if pa.types.is_string_view(kind) else pa.large_binary()


def _is_view(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string_view(kind) or pa.types.is_binary_view(kind))


def _is_text(field: pa.Field) -> bool:
    import pyarrow as pa

    types, kind = pa.types, field.type
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or _is_view(kind)
    )


def _is_coded(field: pa.Field) -> bool:
    import pyarrow as pa

    kind = field.type
    return bool(pa.types.is_dictionary(kind)) and _is_text(field.with_type(kind.value_type))


def _is_number(field: pa.Field) -> bool:
    """Say whether values are of 32 bits at least: shorter ones repeat in any case."""
    import pyarrow as pa

    types, kind = pa.types, field.type
    whole = types.is_integer(kind) or types.is_temporal(kind)
    if whole and not types.is_interval(kind):
        return bool(kind.bit_width >= pa.int32().bit_width)
    return bool(types.is_float32(kind) or types.is_float64(kind))
