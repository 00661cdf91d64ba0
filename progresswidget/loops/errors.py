"""The errors and warnings of `tqdm`, by the names that programs catch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class TqdmTypeError(TypeError):
    """A value has the wrong type."""


class TqdmKeyError(KeyError):
    """An option is not known."""


class TqdmWarning(Warning):
    """Something about a bar that does not stop the loop.

    Parameters
    ----------
    message
        What it is.
    fp_write
        Where it is written to at once; it is for who catches it otherwise.
    """

    def __init__(
        self, message: str, fp_write: Callable[[str], object] | None = None, *rest: object
    ) -> None:
        if fp_write is not None:
            fp_write(f"\n{type(self).__name__}: {str(message).rstrip()}\n")
        else:
            super().__init__(message, *rest)


class TqdmExperimentalWarning(TqdmWarning, FutureWarning):
    """Something may still change."""


class TqdmDeprecationWarning(TqdmWarning, DeprecationWarning):
    """Something is done in another way now."""


class TqdmMonitorWarning(TqdmWarning, RuntimeWarning):
    """The thread that looks after slow loops could not do so."""


class TqdmSynchronisationWarning(TqdmMonitorWarning, RuntimeWarning):
    """The lock changed while it was looked after."""
