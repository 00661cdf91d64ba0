"""Which streams have been read: a stream that can be read once must not be exported twice.

What is left of it would look like a whole frame, also to a new `Export` of the same object. So the
objects are remembered in the whole process, by identity: they may be equal or have no hash.
"""

from __future__ import annotations

import weakref
from typing import Any, Final

from progresswidget.errors import SourceError

_started: Final[dict[int, Any]] = {}

_ITERATORS: Final = ("__next__", "read_next_batch", "get_next")
_FRAMES: Final = ("__len__", "shape", "num_rows", "count")


def is_once(frame: object) -> bool:
    """Say whether an object with ``__arrow_c_stream__`` must be taken for a one-shot stream.

    The protocol does not tell. An iterator is one. Otherwise whoever can count its rows beforehand
    (DuckDB's relations, Ibis' and DataFusion's tables) holds a frame or a query and can begin anew.
    Of anything else nobody knows, and a refusal is better than half a file.
    """
    kind = type(frame)  # of an instance, `shape` may run a query
    if any(hasattr(kind, name) for name in _ITERATORS):
        return True
    return not any(hasattr(kind, name) for name in _FRAMES)


def check(stream: object) -> None:
    """Refuse a stream that has been read.

    Raises
    ------
    SourceError
        If somebody has called `start` for it.
    """
    if id(stream) in _started:
        raise _spent()


def start(stream: object) -> None:
    """Remember that a stream is being read; of several callers one succeeds.

    Raises
    ------
    SourceError
        If it has been read, or is being read.
    """
    key = id(stream)
    mark: object
    try:
        mark = weakref.ref(stream, lambda _: _started.pop(key, None))
    except TypeError:
        # It is kept, for its number would be given to another object. Little is left of a stream.
        mark = [stream]
    if _started.setdefault(key, mark) is not mark:  # one atomic step
        raise _spent()


def _spent() -> SourceError:
    return SourceError("This stream has been read.", "Open it anew and export that.")
