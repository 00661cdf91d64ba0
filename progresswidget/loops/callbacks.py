"""Progress of what other libraries do, by the hooks that they have for it.

Each library is imported only when its hook is asked for.
"""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from numbers import Integral
from typing import TYPE_CHECKING, Any, Final

from progresswidget.loops import endings
from progresswidget.loops.bar import tqdm
from progresswidget.loops.hooks.keras import keras_callback
from progresswidget.loops.hooks.queries import duckdb_progress
from progresswidget.loops.hooks.shared import library, move_to

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

__all__ = [
    "aiter_bytes",
    "dask_callback",
    "duckdb_progress",
    "fsspec_callback",
    "iter_bytes",
    "joblib_progress",
    "keras_callback",
    "polars_batches",
    "sklearn_progress",
]

CHUNK: Final = 1 << 16
"""Bytes of a piece of a response, unless it is said otherwise."""


def fsspec_callback(desc: str | None = None, **options: Any) -> Any:
    """Return a callback for `fsspec`: ``fs.get(…, callback=fsspec_callback())``.

    Parameters
    ----------
    desc, **options
        Those of `tqdm`; a transfer of one file counts bytes, and one of several counts files.

    Raises
    ------
    MissingExtraError
        If fsspec is not installed.
    """
    base: Any = library("fsspec.callbacks", "fsspec").Callback

    class FsspecCallback(base):  # type: ignore[misc]
        """Shows `size` and `value` of a transfer."""

        def __init__(self) -> None:
            self._bar: tqdm[Any] | None = None
            endings.be_ready()
            super().__init__()

        def call(self, hook_name: str | None = None, **kwargs: Any) -> None:
            """Show the values as they are now."""
            if self._bar is None:
                self._bar = tqdm(desc=desc, total=self.size, **_in_bytes(options))
            move_to(self._bar, self.value, self.size)

        def branched(self, path_1: str, path_2: str, **kwargs: Any) -> Any:
            """Return the callback of one file of several: a line below."""
            if self._bar is not None:
                self._bar.unit, self._bar.unit_scale = "file", False
            return fsspec_callback(path_2.rpartition("/")[2], leave=False)

        def close(self) -> None:
            """End the bar."""
            if self._bar is not None:
                self._bar.close()
                self._bar = None

        def __exit__(self, *error: object) -> None:
            self.close()

        def __del__(self) -> None:
            endings.end(self, self.close)

    return FsspecCallback()


def iter_bytes(
    response: Any, chunk_size: int | None = None, desc: str | None = None, **options: Any
) -> Iterator[bytes]:
    """Yield the body of a response of `requests` or `httpx` piece by piece, and show how far it is.

    What is counted is what came over the network: a compressed body has the length that its
    header says.

    Parameters
    ----------
    response
        One that is streamed: ``requests.get(url, stream=True)``, ``httpx.stream("GET", url)``.
    chunk_size
        Bytes of a piece.
    desc, **options
        Those of `tqdm`.
    """
    pieces: Iterable[bytes]
    if hasattr(response, "iter_content"):
        pieces = response.iter_content(chunk_size or CHUNK)
    else:
        pieces = response.iter_bytes(chunk_size)
    total = _length(response)
    with tqdm(desc=desc, total=total, **_in_bytes(options)) as bar:
        counted = 0
        for piece in pieces:
            counted += len(piece)
            yield piece
            move_to(bar, _received(response, counted), total)


async def aiter_bytes(
    response: Any, chunk_size: int | None = None, desc: str | None = None, **options: Any
) -> AsyncIterator[bytes]:
    """Yield the body of a response of `httpx.AsyncClient`, as `iter_bytes` does.

    Parameters
    ----------
    response, chunk_size, desc, **options
        As of `iter_bytes`: ``async with client.stream("GET", url) as response``.
    """
    total = _length(response)
    with tqdm(desc=desc, total=total, **_in_bytes(options)) as bar:
        counted = 0
        async for piece in response.aiter_bytes(chunk_size):
            counted += len(piece)
            yield piece
            move_to(bar, _received(response, counted), total)


def _length(response: Any) -> int | None:
    length = response.headers.get("content-length")
    return int(length) if length is not None and length.isdigit() else None


def _received(response: Any, counted: int) -> int:
    told = getattr(response, "num_bytes_downloaded", None)
    raw = getattr(response, "raw", None)
    if told is None and raw is not None and hasattr(raw, "tell"):
        told = raw.tell()
    return counted if told is None else int(told)


def polars_batches(plan: Any, desc: str | None = None, **options: Any) -> Iterator[Any]:
    """Yield the result of a `polars.LazyFrame` batch by batch, and count its rows.

    polars does not tell how far a query is: what can be counted is what comes out of it.

    Parameters
    ----------
    plan
        The lazy frame; what `collect_batches` takes as `chunk_size` can be given.
    desc, **options
        Those of `tqdm`; `total` is the number of rows, where it is known.
    """
    asked = {name: options.pop(name) for name in ("chunk_size", "engine") if name in options}
    with tqdm(desc=desc, **{"unit": "row", **options}) as bar:
        for batch in plan.collect_batches(**asked):
            yield batch
            bar.update(batch.height)


@contextmanager
def joblib_progress(
    desc: str | None = None, total: float | None = None, **options: Any
) -> Iterator[tqdm[Any]]:
    """Count the tasks that `joblib.Parallel` completes in a `with` block, whatever its workers are.

    Tasks that a task runs in parallel in its turn are a part of it, and do not count. It serves
    what is built on joblib as well, scikit-learn's searches for instance.

    Parameters
    ----------
    desc, total, **options
        Those of `tqdm`.

    Raises
    ------
    MissingExtraError
        If joblib is not installed.
    """
    module = library("joblib.parallel", "joblib")
    parallel: Any = module.Parallel
    usual_call, usual_print = parallel.__call__, parallel.print_progress
    counted: dict[int, int] = {}
    """Of each one that counts the tasks so far; the others are not in it."""
    lock = threading.Lock()

    def call(self: Any, iterable: Any) -> Any:
        inner = _is_called_by(module.__name__)
        with lock:
            if inner:
                counted.pop(id(self), None)  # it may be where another one was
            else:
                counted[id(self)] = 0
        return usual_call(self, iterable)

    def print_progress(self: Any) -> None:
        with lock:
            if (before := counted.get(id(self))) is not None:
                done = counted[id(self)] = self.n_completed_tasks
                bar.update(max(done - before, 0))
        usual_print(self)

    with tqdm(desc=desc, total=total, **{"unit": "task", **options}) as bar:
        parallel.__call__, parallel.print_progress = call, print_progress
        try:
            yield bar
        finally:
            parallel.__call__, parallel.print_progress = usual_call, usual_print


def _is_called_by(module: str) -> bool:
    """Say whether the caller's caller runs within code of a module, at any depth."""
    frame: Any = sys._getframe(2)  # noqa: SLF001 - CPython's own, and ours is no other
    while frame is not None and frame.f_globals.get("__name__") != module:
        frame = frame.f_back
    return frame is not None


@contextmanager
def sklearn_progress(search: Any, desc: str | None = None, **options: Any) -> Iterator[tqdm[Any]]:
    """Count the fits of a search of scikit-learn in a `with` block: ``search.fit(X, y)``.

    Parameters
    ----------
    search
        A `GridSearchCV` or `RandomizedSearchCV`, whose number of fits is known before where its
        splitter tells theirs without the data; of another one it is not.
    desc, **options
        Those of `tqdm`.

    Raises
    ------
    MissingExtraError
        If scikit-learn is not installed.
    """
    selection = library("sklearn.model_selection", "scikit-learn")
    total = _fits_of(search, selection)
    with joblib_progress(desc or type(search).__name__, total, **{"unit": "fit", **options}) as bar:
        yield bar


def _fits_of(search: Any, selection: Any) -> int | None:
    # It may not be known, and whatever it is that asking does to a splitter or a grid of somebody
    # else's: the search itself says better what is wrong with them.
    try:
        candidates = _candidates_of(search, selection)
        return None if candidates is None else candidates * _splits_of(search.cv, selection)
    except Exception:  # noqa: BLE001
        return None


def _candidates_of(search: Any, selection: Any) -> int | None:
    grid = getattr(search, "param_grid", None)
    if grid is not None and not hasattr(search, "factor"):  # a halving search leaves some out
        return len(selection.ParameterGrid(grid))
    number: int | None = getattr(search, "n_iter", None)
    spaces = getattr(search, "param_distributions", None)
    if number is None or spaces is None:
        return number
    # It is less than was asked for where the grid of all that can be drawn is.
    return len(selection.ParameterSampler(spaces, number))


def _splits_of(cv: Any, selection: Any) -> int:
    if isinstance(cv, (list, tuple)):
        return len(cv)
    if cv is None or isinstance(cv, Integral):
        cv = selection.check_cv(cv)
    # An iterator has no such method, and is left as it is: the search needs all of it.
    return int(cv.get_n_splits())


def dask_callback(desc: str | None = None, **options: Any) -> Any:
    """Return a callback for Dask's local schedulers, a context manager as `ProgressBar` is.

    Parameters
    ----------
    desc, **options
        Those of `tqdm`.

    Raises
    ------
    MissingExtraError
        If Dask is not installed.
    """
    base: Any = library("dask.callbacks", "dask").Callback

    class DaskCallback(base):  # type: ignore[misc]
        """Counts the tasks of each computation."""

        def __init__(self) -> None:
            self._bar: tqdm[Any] | None = None
            super().__init__()

        def _start_state(self, dsk: Any, state: Any) -> None:
            total = sum(len(state[name]) for name in ("ready", "waiting", "running", "finished"))
            self._bar = tqdm(desc=desc, total=total, **{"unit": "task", **options})
            self._bar.update(len(state["finished"]))

        def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:
            if self._bar is not None:
                self._bar.update()

        def _finish(self, dsk: Any, state: Any, failed: Any) -> None:
            if self._bar is not None:
                self._bar.close()

    return DaskCallback()


def _in_bytes(options: dict[str, Any]) -> dict[str, Any]:
    return {"unit": "B", "unit_scale": True, **options}
