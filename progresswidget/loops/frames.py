"""pandas with progress: what `tqdm.pandas` gives to its frames, columns, groups and windows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import MissingExtraError
from progresswidget.loops.errors import TqdmDeprecationWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.loops.bar import tqdm


def register(bars: type[tqdm[Any]], options: dict[str, Any]) -> None:
    """Give pandas ``progress_apply``, ``progress_map`` and others.

    Parameters
    ----------
    bars
        The class of the bars.
    options
        Those of each bar.

    Raises
    ------
    MissingExtraError
        If there is no pandas.
    """
    try:
        import pandas as pd
        from pandas.core.groupby.generic import DataFrameGroupBy, SeriesGroupBy
        from pandas.core.window.expanding import Expanding
        from pandas.core.window.rolling import Rolling
    except ImportError as error:
        raise MissingExtraError("tqdm.pandas needs pandas", "pip install pandas") from error
    homes = {
        "apply": (pd.Series, pd.DataFrame, SeriesGroupBy, DataFrameGroupBy, Rolling, Expanding),
        "map": (pd.Series, pd.DataFrame),
        "aggregate": (SeriesGroupBy, DataFrameGroupBy),
        "transform": (SeriesGroupBy, DataFrameGroupBy),
    }
    for name, classes in homes.items():
        for home in classes:
            setattr(home, f"progress_{name}", _with_progress(bars, options, name))
    pd.DataFrame.progress_applymap = _with_progress(bars, options, "applymap")


def tqdm_pandas(tclass: Any, **options: Any) -> None:
    """Do what `tqdm.pandas` does, as it was called before.

    Parameters
    ----------
    tclass
        The class, or a bar whose options are taken.
    **options
        Those of each bar.
    """
    if isinstance(tclass, type):
        instead = "Please use `tqdm.pandas(...)` instead of `tqdm_pandas(tqdm, ...)`."
        kind: Any = tclass
    else:
        instead = "Please use `tqdm.pandas(...)` instead of `tqdm_pandas(tqdm(...))`."
        kind = type(tclass)
        options = {"leave": tclass.leave, "ascii": tclass.ascii, "ncols": tclass.ncols} | options
        tclass.close()
    TqdmDeprecationWarning(instead, fp_write=_stderr)
    kind.pandas(**options)


def _stderr(text: str) -> None:
    sys.stderr.write(text)


def _with_progress(bars: type[tqdm[Any]], options: dict[str, Any], name: str) -> Callable[..., Any]:
    called = "map" if name == "applymap" else name  # as pandas calls it now

    def method(frame: Any, function: Any, *args: Any, **given: Any) -> Any:
        if args:
            TqdmDeprecationWarning(_BY_NAME, fp_write=_stderr)
        axis = given.get("axis", args[0] if args else 0)
        total = _calls(frame, name, axis)
        bar = bars(**{"total": total, **options})
        function = _as_function(function)

        def counted(*values: Any, **named: Any) -> Any:
            # Some of them are called once more than there are, to see what comes out.
            room = bar.total is None or bar.n < bar.total
            bar.update(1 if room else 0)
            return function(*values, **named)

        with bar:
            return getattr(frame, called)(counted, *args, **given)

    method.__name__ = method.__qualname__ = f"progress_{name}"
    method.__doc__ = f"Do what ``{called}`` does, with progress."
    return method


_BY_NAME: Final = (
    "Arguments by position behind the function are not supported by tqdm itself.\n"
    "Please use keyword arguments instead: they go with both."
)


def _as_function(function: Any) -> Callable[..., Any]:
    """Return what a pandas method would call: it knows names of functions, and mappings."""
    if callable(function):
        return function  # type: ignore[no-any-return]
    if isinstance(function, str):
        return lambda part, *args, **options: getattr(part, function)(*args, **options)
    return dict(function).get


def _calls(frame: Any, name: str, axis: Any) -> int | None:
    """Return how often the function will be called, where that is known."""
    groups = getattr(frame, "ngroups", None)
    if groups is not None:
        return int(groups)
    if hasattr(frame, "min_periods"):  # a window
        return None
    if frame.ndim == 1:
        return len(frame)
    if name == "applymap":
        return int(frame.size)
    if name == "map":
        return int(frame.shape[1])  # so tqdm counts, whose own tests ask for it
    return int(frame.shape[0] if axis in {1, "columns"} else frame.shape[1])
