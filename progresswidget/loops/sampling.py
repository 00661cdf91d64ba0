"""Knowing how far a loop is while no Python code of ours runs in it.

What the loop is given is made of CPython's own iterators alone, most of them of `itertools`. Where
it stands is read from another thread: iterators of built-in sequences tell their position by
themselves, by ``__length_hint__`` (PEP 424) or by ``__reduce__``, with which they are pickled, and
beside any other one runs a `itertools.repeat` that tells how often it was asked. The end of a loop
is noticed by `itertools.chain.from_iterable`: it asks what comes next when all is taken, and who is
asked goes away when the loop lets go of the chain.

All is read under the GIL. In a free-threaded build what is read may be a step old, and of a loop
that was interrupted some steps may be missing from the count.
"""

from __future__ import annotations

import array
import gc
import operator
import sys
import threading
from functools import partial
from itertools import chain, compress, repeat
from types import GeneratorType
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

T = TypeVar("T")

_MANY: Final = sys.maxsize
"""How often a counter can be asked: at a nanosecond each, for three hundred years."""
_KEY: Final = True
"""What a counter gives: of all that is true it is what C sees fastest."""
_BLOCK: Final = 1024
"""Steps of a loop that obeys after which it gets a new block of keys."""
_RANGES: Final = frozenset({type(iter(range(1))), type(iter(range(1 << 70)))})
"""Iterators of what never changes, so that ``__length_hint__`` is exact."""
_SEQUENCES: Final[tuple[Any, ...]] = ([], (), "a", "é", b"", bytearray(), array.array("b"))
_INDEXED: Final = frozenset(type(iter(sequence)) for sequence in _SEQUENCES)
"""Iterators that tell their index by ``__reduce__``, and never raise."""
_WITH_INDEX: Final = 3
"""Parts of what ``__reduce__`` of an iterator returns before its end."""


class Position:
    """How far a loop is, for any thread to read.

    An item is done when the loop asks for the next one, as tqdm counts: that which the loop's body
    works on is not yet. After the loop it is what tqdm says: all of them where it ran to its end,
    and all but the last that was taken where it was left by `break`, `return` or an exception.

    Parameters
    ----------
    start
        What had been done before.
    taken
        Tells how many items the loop has taken so far.
    asked
        Whether it tells how many the loop has asked for, which at the end is one more.
    """

    def __init__(self, start: float, taken: Callable[[], int], *, asked: bool = False) -> None:
        self._start = start
        self._asked = asked
        self._taken: Callable[[], int] | None = taken
        self._final = start

    def __call__(self) -> float:
        """Return how many items are done: a whole number if `start` is one."""
        taken = self._taken
        return self._final if taken is None else self._start + max(0, taken() - 1)

    @property
    def over(self) -> bool:
        """Whether the loop has run to its end or was left."""
        return self._taken is None

    def interrupt(self) -> None:
        """Have `obey` called before the next item, where the loop has one."""

    def stop(self, *, left: bool) -> None:
        """Keep the count, and let go of what was counted.

        Parameters
        ----------
        left
            Whether the item that was taken last is unfinished.
        """
        if self._taken is not None:
            done = self._taken() - (left or self._asked)
            self._final = self._start + max(0, done)
            self._taken = None


class _Interruptible(Position):
    """The position of a loop that obeys: its keys come in blocks that can be emptied at any time.

    Parameters
    ----------
    obey
        Called in the loop before the next item.
    """

    def __init__(self, start: float, obey: Callable[[], object]) -> None:
        super().__init__(start, self._keys_given, asked=True)
        self._obey = obey
        self._before = 0
        self._wanted = False
        self._cut: int | None = None
        # The handler of a signal may interrupt the very loop that is just here.
        self._lock = threading.RLock()
        self._new_block()

    def interrupt(self) -> None:
        with self._lock:
            self._wanted = True
            if self._cut is None:
                # Two calls within one of C: no step of the loop can come between them.
                both = (self._keys.__length_hint__, self._block.clear)
                left, _ = map(operator.call, both)
                self._cut = _BLOCK - left

    def keys(self) -> Generator[Iterator[bool], None, None]:
        """Give a key for each item, in blocks, and obey between two of them."""
        while True:
            yield self._keys
            with self._lock:
                self._before += _BLOCK if self._cut is None else self._cut
                wanted, self._wanted, self._cut = self._wanted, False, None
                self._new_block()
            if wanted:
                self._before += 1  # the item that is asked for, so that all others count as done
                self._obey()
                self._before -= 1

    def _new_block(self) -> None:
        self._block = [_KEY] * _BLOCK
        self._keys: Any = iter(self._block)

    def _keys_given(self) -> int:
        with self._lock:
            in_block = _BLOCK - self._keys.__length_hint__() if self._cut is None else self._cut
            return self._before + in_block


def sampled(
    iterable: Iterable[T],
    start: float = 0,
    *,
    ended: Callable[[bool], object] | None = None,
    obey: Callable[[], object] | None = None,
    later: Callable[[Callable[[], object]], object] | None = None,
) -> tuple[Iterator[T], Position]:
    """Return what to loop over instead, and where to read how far the loop is.

    Items, exceptions and their tracebacks are those of a bare loop, and no item is kept; a
    generator is closed where the bare loop would close it. Above it a step costs about 2 ns with
    sequences and ranges, 5 with generators, 10 with any other iterator and 13 where it obeys.

    Parameters
    ----------
    iterable
        What would be looped over; its iterator is made here.
    start
        What had been done before.
    ended
        Called once in the thread of the loop, with True when it has run to its end, and with False
        as soon as it has let go of the iterator: there what is raised is only printed.
    obey
        Called in the loop before the item that follows on `Position.interrupt`, and only then. It
        may wait, and what it raises is raised there; no item is lost.
    later
        Called by the collector of garbage where that has let go of the iterator, with what calls
        `ended`: it must see to that at another time, and must not wait.

    Notes
    -----
    A list that grows or shrinks in the loop is iterated as ever. If it became shorter in the last
    step, then its length at the end is taken for the count.
    """
    source: Any = iter(iterable)
    steps: Iterator[T] = source
    position: Position
    if obey is not None:
        position = keyed = _Interruptible(start, obey)
        # `pop` of an empty dictionary returns its second argument without a look at the first: with
        # it `map` asks for a key first, then for an item, all in C, and the keys count the asking.
        second: Any = {}.pop
        steps = map(second, chain.from_iterable(keyed.keys()), source)
    elif type(source) in _RANGES:
        position = Position(start, _by_hint(source, source.__length_hint__()))
    elif type(source) in _INDEXED or _is_array(iterable):
        position = Position(start, _by_index(source))
    elif type(source) is GeneratorType:
        # This is quicker, but asks for the item first. Only of a generator can it be told
        # afterwards whether it was asked once more and has raised.
        keys = repeat(_KEY, _MANY)
        position = Position(start, _by_hint(keys, _MANY))
        steps = compress(source, keys)
    else:
        # What gives the iterator itself again and again counts how often it is asked for an item.
        asked = repeat(source, _MANY)
        position = Position(start, _by_hint(asked, _MANY), asked=True)
        steps = map(next, asked)
    return chain.from_iterable(_Watched(steps, source, position, ended, later)), position


def watched(
    steps: Iterator[T],
    *,
    ended: Callable[[bool], object],
    later: Callable[[Callable[[], object]], object] | None = None,
) -> Iterator[T]:
    """Return an iterator over the same items whose end is heard of, as that of `sampled`."""
    return chain.from_iterable(_Watched(steps, steps, None, ended, later))


class _Watched(Generic[T]):
    """What the chain asks for steps: once for them, and again when they are at their end.

    Parameters
    ----------
    steps
        What the loop takes its items from.
    source
        What is looped over.
    position
        What stops with the loop.
    ended, later
        As of `sampled`.
    """

    __slots__ = ("_begun", "_ended", "_later", "_position", "_source", "_steps")

    def __init__(
        self,
        steps: Iterator[T],
        source: object,
        position: Position | None,
        ended: Callable[[bool], object] | None,
        later: Callable[[Callable[[], object]], object] | None,
    ) -> None:
        self._steps: Iterator[T] | None = steps
        self._source = source
        self._position, self._ended, self._later = position, ended, later
        self._begun = False

    def __iter__(self) -> Iterator[Iterator[T]]:
        return self

    def __next__(self) -> Iterator[T]:
        if not self._begun and self._steps is not None:
            self._begun = True
            return self._steps
        self._end(whole=True, left=False)
        raise StopIteration

    def __del__(self) -> None:
        if not self._begun:
            return
        if not gc.is_finalized(self):
            self._end(whole=False, left=not self._has_raised)
        elif self._later is not None:  # only the collector notes it before it calls this
            self._later(partial(self._end, whole=False, left=True))
        else:
            self._end(whole=False, left=True)

    @property
    def _has_raised(self) -> bool:
        source = self._source
        return isinstance(source, GeneratorType) and source.gi_frame is None

    def _end(self, *, whole: bool, left: bool) -> None:
        ended, self._ended = self._ended, None
        if self._steps is None:
            return
        if self._position is not None:
            self._position.stop(left=left)
        self._steps = self._source = None  # it is closed before anyone hears of the end
        if ended is not None:
            ended(whole)


def _by_hint(iterator: Any, begun: int) -> Callable[[], int]:
    def taken() -> int:
        left: int = iterator.__length_hint__()
        return begun - left

    return taken


def _by_index(iterator: Any) -> Callable[[], int]:
    (sequence,) = iterator.__reduce__()[1]

    def index() -> int:
        state = iterator.__reduce__()
        # One that has come to its end has forgotten both, its index and the sequence.
        found: int = state[2] if len(state) == _WITH_INDEX else len(sequence)
        return found

    begun = index()
    return lambda: index() - begun


def _is_array(iterable: object) -> bool:
    # While another thread imports it, numpy has no arrays yet.
    return type(iterable) is getattr(sys.modules.get("numpy"), "ndarray", None)
