"""Rows as Python has them: dicts, dataclasses, named tuples, plain tuples and sqlite3's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from progresswidget.errors import UnsupportedSourceError
from progresswidget.export.sources import is_of, their_kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def is_record(row: object) -> bool:
    """Say whether `row` has fields with names: a dataclass or a named tuple.

    A frame of another package may be a dataclass too, and is no row.
    """
    if isinstance(row, type) or hasattr(row, "__arrow_c_stream__"):
        return False
    if not is_dataclass(row) and not _is_named_tuple(row):
        return False
    return not any(kind.recognises(row) for kind in their_kinds())


def is_row(row: object) -> bool:
    """Say whether `row` can only be a row."""
    return isinstance(row, (Mapping, tuple)) or is_of(row, "sqlite3", "Row") or is_record(row)


def _is_named_tuple(row: object) -> bool:
    return isinstance(row, tuple) and hasattr(row, "_fields")


class Reader:
    """Turns rows into mappings.

    Parameters
    ----------
    names
        The names of the values of plain tuples; by default their places, from 0.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self._names = names
        self._known: dict[type, Callable[[Any], Mapping[Any, Any]]] = {}

    def read(self, row: Any, number: int) -> Mapping[Any, Any]:
        """Return the values of a row under their names.

        Raises
        ------
        UnsupportedSourceError
            If it is none.
        """
        way = self._known.get(type(row))
        if way is None:
            way = self._known[type(row)] = self._way(row, number)
        return way(row)

    def _way(self, row: object, number: int) -> Callable[[Any], Mapping[Any, Any]]:
        if isinstance(row, Mapping):
            return lambda each: each
        if is_dataclass(row) and not isinstance(row, type):
            names = [field.name for field in fields(row)]
            return lambda each: {name: getattr(each, name) for name in names}
        if _is_named_tuple(row):
            return lambda each: dict(zip(each._fields, each, strict=True))
        if is_of(row, "sqlite3", "Row"):
            return dict
        if isinstance(row, (tuple, list)):
            return self._by_place
        name = f"{type(row).__module__}.{type(row).__qualname__}".removeprefix("builtins.")
        raise UnsupportedSourceError(
            f"Row {number} is of type {name}, which is no row.",
            "A row is a dict, a dataclass, a named tuple or a tuple.",
        )

    def _by_place(self, row: Sequence[Any]) -> Mapping[str, Any]:
        names = [*self._names[: len(row)], *map(str, range(len(self._names), len(row)))]
        return dict(zip(names, row, strict=True))


_PLAIN = (str, bytes, int, float, bool, type(None))


def plain(values: Sequence[Any]) -> Sequence[Any]:
    """Return values with dataclasses and named tuples among them as dicts, at any depth."""
    if all(issubclass(kind, _PLAIN) for kind in set(map(type, values))):
        return values
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:
    if isinstance(value, _PLAIN):
        return value
    if is_record(value):
        return {name: _plain(each) for name, each in Reader().read(value, 0).items()}
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)) and not (value and isinstance(value[0], _PLAIN)):
        return [_plain(each) for each in value]
    return value
