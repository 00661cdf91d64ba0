"""Lines of the log above the bars."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from progresswidget.loops.bar import tqdm

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class BarHandler(logging.StreamHandler[Any]):
    """Writes records by `tqdm.write`, so that bars make room for them.

    Parameters
    ----------
    tqdm_class
        Whose `write`.
    """

    def __init__(self, tqdm_class: type[tqdm[Any]] = tqdm) -> None:
        super().__init__()
        self._bars = tqdm_class

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            self._bars.write(self.format(record), file=self.stream)
            self.flush()
        except Exception:  # noqa: BLE001 - as every handler of the standard library
            self.handleError(record)


def to_console(handler: logging.Handler) -> bool:
    """Say whether a handler writes to stdout or stderr."""
    console = (sys.stdout, sys.stderr)
    return isinstance(handler, logging.StreamHandler) and handler.stream in console


def first_to_console(handlers: Sequence[logging.Handler]) -> logging.Handler | None:
    """Return the first handler that writes to stdout or stderr."""
    return next(filter(to_console, handlers), None)


@contextmanager
def logging_redirect_tqdm(
    loggers: Sequence[logging.Logger] | None = None, tqdm_class: type[tqdm[Any]] = tqdm
) -> Iterator[None]:
    """Write what loggers say to the console above the bars, for a `with` block.

    Parameters
    ----------
    loggers
        The loggers; the root by default.
    tqdm_class
        Whose `write`.
    """
    chosen = [logging.root] if loggers is None else loggers
    before = [logger.handlers for logger in chosen]
    try:
        for logger in chosen:
            handler = BarHandler(tqdm_class)
            found = first_to_console(logger.handlers)
            if isinstance(found, logging.StreamHandler):
                handler.setFormatter(found.formatter)
                handler.setStream(found.stream)
                handler.filters = list(found.filters)
                handler.setLevel(found.level)
            kept = [each for each in logger.handlers if not to_console(each)]
            logger.handlers = [*kept, handler]
        yield
    finally:
        for logger, handlers in zip(chosen, before, strict=True):
            logger.handlers = handlers


@contextmanager
def tqdm_logging_redirect(*args: Any, **options: Any) -> Iterator[Any]:
    """Show a bar, and write what loggers say above it.

    Parameters
    ----------
    *args, **options
        Those of `tqdm`, and those of `logging_redirect_tqdm`.
    """
    bars = options.get("tqdm_class", tqdm)
    chosen = {key: options.pop(key) for key in ("loggers", "tqdm_class") if key in options}
    with bars(*args, **options) as bar, logging_redirect_tqdm(**chosen):
        yield bar
