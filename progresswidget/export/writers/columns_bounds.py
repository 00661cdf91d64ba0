"""Moments that lie beyond every calendar, found before they stop polars or come out as others.

They do occur: a timestamp or date that is ``infinity`` in PostgreSQL arrives as the largest number
there is, and ``24:00:00`` is a time of day there. polars panics at the one and makes a missing
value of the other, and seconds of which it makes milliseconds wrap around without a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from progresswidget.export.writers.storable import without_runs

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

DAYS: Final = (-96_000_000, 95_000_000)
"""From 1970, a little within the days that polars' calendar has: 260,000 years either way."""
_DAY: Final = 86_400
_TICKS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_MILLISECONDS: Final = 2**63 // 1_000


def bounded(kind: pa.DataType) -> Callable[[pa.Array], pa.Array] | None:
    """Return what lets an array of moments pass and raises `ValueError` for one that has no text.

    Parameters
    ----------
    kind
        The type of the array; None is returned where every value of it has a text.
    """
    import pyarrow as pa

    if pa.types.is_date32(kind):
        return _between(*DAYS, "its year has no calendar")
    if pa.types.is_timestamp(kind):
        seconds = _TICKS[kind.unit] * _DAY
        return _between(DAYS[0] * seconds, DAYS[1] * seconds, "its year has no calendar")
    if pa.types.is_time(kind):
        return _between(0, _TICKS[kind.unit] * _DAY - 1, "it is no time of a day")
    if pa.types.is_duration(kind) and kind.unit == "s":
        return _between(1 - _MILLISECONDS, _MILLISECONDS - 1, "it is too long")
    return None


def check_within(array: pa.Array) -> None:
    """Refuse a time of no day that lies in a list, a struct or a map.

    pyarrow makes another time of it for Python; of other moments beyond all calendars it makes
    nothing.

    Raises
    ------
    ValueError
        If there is one.
    """
    import pyarrow as pa

    kind = array.type
    if not _has_times(kind):
        return
    if isinstance(kind, pa.BaseExtensionType):
        check_within(array.storage)
    elif pa.types.is_time(kind):
        check = bounded(kind)
        if check is not None:
            check(array)
    elif pa.types.is_dictionary(kind):
        check_within(array.dictionary_decode())
    elif pa.types.is_run_end_encoded(kind):
        check_within(without_runs(array))
    elif pa.types.is_map(kind):
        pairs = pa.struct([kind.key_field, kind.item_field])
        check_within(array.cast(pa.list_(pairs)))
    elif pa.types.is_struct(kind):
        for child in array.flatten():
            check_within(child)
    else:
        check_within(array.flatten())


def _has_times(kind: pa.DataType) -> bool:
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return _has_times(kind.storage_type)
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        return _has_times(kind.value_type)
    if pa.types.is_union(kind):
        return False  # its arrays have values as well that do not count
    if pa.types.is_nested(kind):
        return any(_has_times(kind.field(place).type) for place in range(kind.num_fields))
    return bool(pa.types.is_time(kind))


def _between(least: int, most: int, why: str) -> Callable[[pa.Array], pa.Array]:
    def check(array: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        number = {32: pa.int32(), 64: pa.int64()}[array.type.bit_width]
        lowest, highest = pc.min_max(array.cast(number)).as_py().values()
        if lowest is not None and not least <= lowest <= highest <= most:
            raise ValueError(why)
        return array

    return check
