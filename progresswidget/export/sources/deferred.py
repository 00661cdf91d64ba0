"""Data that is built only when the export runs: callables, iterators, and queries not begun."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, cast

from progresswidget.errors import UnsupportedSourceError
from progresswidget.export.sources import iterators, recognise, rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def is_deferred(frame: object) -> bool:
    """Say whether the columns of `frame`, or of a frame within it, are not known yet."""
    if isinstance(frame, Mapping):
        return any(is_deferred(each) for each in frame.values())
    if rows.recognises(frame):
        return False
    if isinstance(frame, (list, tuple)):
        return any(is_deferred(each) for each in frame)
    return getattr(type(frame), "deferred", False) or is_callable(frame) or _is_iterator(frame)


def is_callable(frame: object) -> bool:
    """Say whether `frame` is to be called, and is no frame itself."""
    return callable(frame) and not isinstance(frame, type) and recognise(frame) is None


def _is_iterator(frame: object) -> bool:
    kind = recognise(frame) if iterators.recognises(frame) else None
    return kind is not None and kind.module == iterators.__name__


def produce(frame: object) -> object:
    """Return what callables return, also within a dict or a list, and let iterators begin.

    It takes as long as the user's code does.

    Raises
    ------
    UnsupportedSourceError
        If something would have to be awaited.
    SourceError
        If an iterator has been read.
    """
    if isinstance(frame, Mapping):
        return {name: produce(each) for name, each in frame.items()}
    if isinstance(frame, list) and not rows.recognises(frame):
        return [produce(each) for each in frame]
    made = _call(frame) if is_callable(frame) else frame
    if _is_iterator(made):
        iterators.look(cast("Iterator[object]", made))
    return made


def _call(function: object) -> object:
    if iscoroutinefunction(function):
        raise _awaited()
    made = cast("Callable[[], object]", function)()
    if isinstance(made, Coroutine):
        made.close()
        raise _awaited()
    return made


def _awaited() -> UnsupportedSourceError:
    return UnsupportedSourceError(
        "A coroutine function cannot be called here.", "Await it first and export the result."
    )
