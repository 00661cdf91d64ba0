"""Options of bars that the environment gives, as ``TQDM_MININTERVAL=5``."""

from __future__ import annotations

import inspect
import os
import warnings
from ast import literal_eval
from functools import wraps
from itertools import accumulate
from typing import TYPE_CHECKING, Any, TypeVar, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

F = TypeVar("F", bound="Callable[..., Any]")


def envwrap(
    *name: str, types: Mapping[str, Callable[[str], Any]] | None = None, is_method: bool = False
) -> Callable[[F], F]:
    """Return a decorator: what a caller does not say, variables of the environment do.

    Parameters
    ----------
    *name
        What the names of variables begin with; each further part decides over those before it.
    types
        What makes a value of a text, by parameter; else the annotation or the default does.
    is_method
        Whether the first parameter is the object.
    """
    if any(part.endswith("_") for part in name):
        message = "Trailing underscore in `name` is automatic"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
    prefixes = accumulate(part.strip("_").upper() + "_" for part in name)
    texts = {
        variable[len(prefix) :].lower(): text
        for prefix in prefixes
        for variable, text in os.environ.items()
        if variable.upper().startswith(prefix)
    }

    def decorate(function: F) -> F:
        parameters = list(inspect.signature(function).parameters.values())[int(is_method) :]
        told = {
            parameter.name: _made(
                texts[parameter.name.lower()], parameter, {} if types is None else types
            )
            for parameter in parameters
            if parameter.name.lower() in texts
        }
        if not told:
            return function
        places = [parameter.name for parameter in parameters]

        @wraps(function)
        def wrapped(*args: Any, **options: Any) -> Any:
            said = {*places[: len(args) - int(is_method)], *options}
            unsaid = {key: value for key, value in told.items() if key not in said}
            return function(*args, **options, **unsaid)

        return wrapped  # type: ignore[return-value]

    return decorate


def plain(text: str) -> Any:
    """Return what a text says as Python writes it, or the text."""
    try:
        return literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _made(
    text: str, parameter: inspect.Parameter, types: Mapping[str, Callable[[str], Any]]
) -> Any:
    try:
        return types[parameter.name](text)
    except KeyError:
        pass
    makers: tuple[Any, ...] = ()
    if parameter.annotation is not parameter.empty:
        makers = get_args(parameter.annotation) or (parameter.annotation,)
    elif parameter.default not in {None, parameter.empty}:
        makers = (type(parameter.default),)
    for maker in makers:
        try:
            return maker(text)
        except (TypeError, ValueError):
            continue
    return text
