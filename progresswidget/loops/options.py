"""The options of a bar, checked before anything of it is shown: later they would stop the loop."""

from __future__ import annotations

import inspect
from difflib import get_close_matches
from numbers import Real
from typing import TYPE_CHECKING, Any

from progresswidget.loops.errors import TqdmDeprecationWarning, TqdmKeyError, TqdmTypeError
from progresswidget.loops.likeness import length

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.loops.text.terminal import Stream


def refuse_unknown(unknown: dict[str, Any], known: Callable[..., Any], stream: Stream) -> None:
    """Refuse options that a function does not have, and say which was meant.

    Parameters
    ----------
    unknown
        The options.
    known
        The function.
    stream
        Where a warning of old options goes.

    Raises
    ------
    TqdmKeyError
        If there are any.
    TqdmDeprecationWarning
        If it is one that tqdm had once.
    """
    if "nested" in unknown:
        raise TqdmDeprecationWarning(
            "`nested` is deprecated and automated.\nUse `position` instead for manual control.\n",
            fp_write=stream.write,
        )
    if unknown:
        names = list(inspect.signature(known).parameters)
        meant = {near for name in unknown for near in get_close_matches(name, names, 1)}
        hint = f"; did you mean {', '.join(sorted(meant))}?" if meant else ""
        raise TqdmKeyError(f"Unknown argument(s): {unknown}{hint}")


def refuse_what_is_no_number(**options: object) -> None:
    """Refuse options that are there and are no numbers.

    Raises
    ------
    TqdmTypeError
        If one is a text or anything else that has no value.
    """
    for name, value in options.items():
        if value is not None and not _is_number(value):
            raise TqdmTypeError(f"{name} must be a number, not {value!r}.")


def steps_of(iterable: object, total: float | None) -> float | None:
    """Return how many steps there are; None where nobody knows or where there is no end.

    Raises
    ------
    TqdmTypeError
        If the total is no number.
    """
    if total is None:
        total = length(iterable)
    refuse_what_is_no_number(total=total)
    return None if total == float("inf") else total


def refuse_what_is_no_loop(name: str, iterable: Any) -> None:
    """Refuse what cannot be looped over, without beginning to: that may have its effects.

    Parameters
    ----------
    name
        Of the function that was called.
    iterable
        What was given to it.

    Raises
    ------
    TypeError
        If it has no items.
    """
    kind = type(iterable)
    if getattr(kind, "__iter__", None) is not None or hasattr(kind, "__getitem__"):
        return
    hint = f"; did you mean range({iterable})?" if isinstance(iterable, int) else ""
    raise TypeError(f"{name} needs something to loop over, not {iterable!r}{hint}")


def _is_number(value: Any) -> bool:
    if type(value) in {int, float, bool} or isinstance(value, Real):  # the first is much quicker
        return True
    if isinstance(value, str | bytes | bytearray):
        return False
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
