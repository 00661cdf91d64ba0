"""Every error that a user of progresswidget can meet, each with a code and a way out."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

OURS: Final = str(Path(__file__).parent)


class ProgressWidgetError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    message
        What went wrong, in one sentence.
    hint
        What the user can do about it; shown on a line of its own.
    """

    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(f"{message}\n{hint}" if hint else message)
        self.message = message
        self.hint = hint


class RefusedError(ProgressWidgetError):
    """What was given cannot be used: the line to mend is the person's own."""

    def _render_traceback_(self) -> list[str]:
        # IPython asks for it: its own view, without the twenty frames of ours below the call.
        return _view(self, _down_to_ours(self.__traceback__))


def _view(error: ProgressWidgetError, found: TracebackType | None) -> list[str]:
    """Return what IPython shows of an error; its cause is in its words already."""
    seen = ProgressWidgetError(error.message, error.hint)
    return _drawn(type(error), seen, found)


def _drawn(
    kind: type[BaseException], error: BaseException, found: TracebackType | None
) -> list[str]:
    shell = sys.modules["IPython"].get_ipython()
    lines: list[str] = shell.InteractiveTB.structured_traceback(kind, error, found, tb_offset=0)
    return lines


def _is_ours(found: TracebackType) -> bool:
    return found.tb_frame.f_code.co_filename.startswith(OURS)


def _down_to_ours(found: TracebackType | None) -> TracebackType | None:
    """Return a traceback as far as the call of this package, without the shell around the cell."""
    if found is None or _is_ours(found):
        return None
    rest = _down_to_ours(found.tb_next)
    if "/IPython/" in found.tb_frame.f_code.co_filename:
        return rest
    return TracebackType(rest, found.tb_frame, found.tb_lasti, found.tb_lineno)


def _without_ours(found: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames of this package."""
    if found is None:
        return None
    rest = _without_ours(found.tb_next)
    if _is_ours(found):
        return rest
    return TracebackType(rest, found.tb_frame, found.tb_lasti, found.tb_lineno)


def clear_ours(error: BaseException) -> None:
    """Let the frames of this package forget what they had at hand when an error went through them.

    Whoever keeps the error would keep that, too: all that was to be exported. Frames of others are
    left as they are, for a person who wants to look into them.
    """
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += each.__cause__, each.__context__
        step = each.__traceback__
        while step is not None:
            if _is_ours(step):
                with suppress(RuntimeError):  # it is still running
                    step.tb_frame.clear()
            step = step.tb_next


class UnsupportedSourceError(RefusedError, TypeError):
    """The object given to `export` is no frame that can be read as Arrow batches."""

    code = "unsupported-source"


class UnsupportedFormatError(RefusedError, ValueError):
    """No writer is registered for the suffix or the `format` given."""

    code = "unsupported-format"


class OptionError(RefusedError, TypeError):
    """A writer option is unknown or has a value that the writer does not take."""

    code = "bad-option"


class ColumnError(RefusedError, ValueError):
    """A column has a type, a name or a value that the format cannot hold."""

    code = "bad-column"


class DestinationError(RefusedError, OSError):
    """The file cannot be written where the user wants it."""

    code = "bad-destination"


class DestinationExistsError(DestinationError, FileExistsError):
    """The file is there already and `overwrite=False` was asked for."""

    code = "destination-exists"


class DestinationBusyError(DestinationError):
    """Another export is writing the file at this moment."""

    code = "destination-busy"


class LeaseLostError(DestinationError):
    """Another export took over the file, because this one gave no sign of life for too long."""

    code = "lease-lost"


class SourceError(ProgressWidgetError):
    """The frame raised while it was being read."""

    code = "source-failed"

    def _render_traceback_(self) -> list[str]:
        # Where the person's own code failed, and where it was called; what lies between is ours.
        cause = self.__cause__
        place = _without_ours(cause.__traceback__) if cause is not None else None
        lines = _view(self, _down_to_ours(self.__traceback__))
        if cause is None or place is None:
            return lines
        between = "\nThe above exception was the direct cause of the following exception:\n"
        return [*_drawn(type(cause), cause, place), between, *lines]


class SourceChangedError(SourceError):
    """The data changed while it was being read, so the file would hold rows of two moments."""

    code = "source-changed"


class MissingExtraError(RefusedError, ImportError):
    """An optional library is needed that is not installed."""

    code = "missing-extra"

    @property
    def extra(self) -> str:
        """The extra of this package that brings it, as the hint has it; empty where none does."""
        return self.hint.partition("progresswidget[")[2].partition("]")[0]


class ExportCancelledError(ProgressWidgetError):
    """The export was cancelled: by its button, by `cancel()`, or from the server."""

    code = "cancelled"
    final = True
    """Whether what was written is thrown away; otherwise the next run continues it."""

    def _render_traceback_(self) -> list[str]:
        # IPython asks for it: somebody wanted this, and where in our code it came up is no news.
        return [f"{type(self).__name__}: {self}"]


class ExportStoppedError(ExportCancelledError):
    """The export was stopped by Ctrl-C or the notebook's stop button."""

    code = "keyboard-interrupt"


class ExportHeldError(ExportStoppedError):
    """The same in a kernel, whose end may be what the interrupt was for: the next run goes on."""

    final = False


class KernelStoppedError(ExportCancelledError):
    """The export was ended because its kernel is being shut down."""

    code = "kernel-stopped"
    final = False


class WorkerStoppedError(ExportCancelledError):
    """The conversion was ended because the server that started it is being shut down."""

    code = "server-stopped"
    final = False


class MemoryLimitError(ExportCancelledError):
    """The conversion took more memory than the server allows."""

    code = "memory-limit"
    final = False


class TimeLimitError(ExportCancelledError):
    """The conversion took longer than the server allows."""

    code = "time-limit"
    final = False


class LoopCancelledError(ExportCancelledError):
    """The loop was cancelled: by its button, or from the server."""

    code = "loop-cancelled"


class SendingError(ProgressWidgetError, ConnectionError):
    """The file is where the kernel runs, and could not be sent to a server with another disk."""

    code = "not-sent"


class JobStateError(ProgressWidgetError, RuntimeError):
    """The job is in a state in which it has no such answer yet, or any more."""

    code = "bad-state"


class ExportInterrupted(KeyboardInterrupt):
    """Ctrl-C, or the notebook's stop button, ended a blocking export cleanly.

    It stays a `KeyboardInterrupt`, so that *Run All* stops as it does for any interrupted cell.
    """

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class LinkError(ProgressWidgetError, ConnectionError):
    """A signed link to the file can be neither made nor closed."""

    code = "no-link"


class TransferError(ProgressWidgetError, OSError):
    """Bytes could not be moved between this machine and a server."""

    code = "transfer-failed"

    def _render_traceback_(self) -> list[str]:
        # What failed is the network or the other side: where in our code it came up is no help.
        return [f"{type(self).__name__}: {self}"]


class TransferRefusedError(TransferError):
    """The server answered that it will not do what was asked.

    Parameters
    ----------
    status
        Of the answer, if it was one that said so.
    """

    code = "transfer-refused"

    def __init__(self, message: str, hint: str = "", *, status: int | None = None) -> None:
        super().__init__(message, hint)
        self.status = status


class DigestMismatchError(TransferError):
    """The bytes that arrived are not those that were sent, or not those that were expected."""

    code = "digest-wrong"


class TransferStoppedError(ExportStoppedError):
    """The transfer was stopped by Ctrl-C or the notebook's stop button; it can be gone on with."""

    code = "transfer-stopped"
    final = False
