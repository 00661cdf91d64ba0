"""How a loop ended, by what it was left by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from progresswidget import texts
from progresswidget.errors import ExportCancelledError, ProgressWidgetError
from progresswidget.told import describe

if TYPE_CHECKING:
    from progresswidget.protocol import Json, Status


class ToldError(ProgressWidgetError):
    """What became of a loop in another process.

    Parameters
    ----------
    status
        How it stands.
    code, message, hint
        Why, as a report says it.
    """

    def __init__(self, status: Status, code: str, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.status, self.code = status, code


UNTOLD: Final = ToldError("failed", "failed", texts.ENGLISH["by an error"])
"""An exception of which no more is known."""


def status_of(error: BaseException | None) -> Status:
    """Return how a loop stands that was left by an error, or by none."""
    if isinstance(error, ToldError):
        return error.status
    if error is None or isinstance(error, (StopIteration, GeneratorExit)):
        return "done"
    if isinstance(error, ExportCancelledError):
        return "cancelled"
    return "failed" if isinstance(error, Exception) else "interrupted"


def reason_of(error: BaseException | None) -> Json | None:
    """Return what a report says of what a loop was left by."""
    if isinstance(error, KeyboardInterrupt):
        message = texts.ENGLISH["keyboard"]
        return {"code": "keyboard-interrupt", "message": message, "hint": ""}
    # That somebody wanted it, the status says.
    return None if isinstance(error, ExportCancelledError) else describe(error)
