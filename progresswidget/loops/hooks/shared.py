"""What the hooks into other libraries share."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from progresswidget.errors import MissingExtraError

if TYPE_CHECKING:
    from progresswidget.loops.bar import tqdm


def library(module: str, name: str) -> Any:
    """Import a module of another library, only now that its hook is asked for.

    Parameters
    ----------
    module
        With all of its packages.
    name
        As pip is told it.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"{module.partition('.')[0]} is not installed.", f"pip install '{name}'"
        ) from error


def move_to(bar: tqdm[Any], value: float, total: float | None) -> None:
    """Show a value that is told whole, and not how much was added.

    Parameters
    ----------
    bar
        That shows it.
    value, total
        In the unit of the bar; the total is None where it is not known.
    """
    bar.total = total
    bar.update(value - bar.n)
