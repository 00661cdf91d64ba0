"""Whether polars may be used in this process: not in a fork of one that had it.

A fork copies only the thread that calls it (POSIX, `fork`). The pool of threads that polars made is
gone in the child, and the first query there would wait for it for ever
(https://docs.pola.rs/user-guide/misc/multiprocessing/).
"""

from __future__ import annotations

import os
import sys

from progresswidget.errors import SourceError

_lost = False


def lost() -> bool:
    """Say whether this process is a fork of one that had imported polars."""
    return _lost


def refuse_polars() -> None:
    """Refuse to begin what would never end.

    Raises
    ------
    SourceError
        If this process is a fork of one that had imported polars.
    """
    if _lost:
        raise SourceError(
            "This process was forked from one that had loaded polars, which does not survive a "
            "fork: the export would never end.",
            'Start the process with the "spawn" method, multiprocessing.get_context("spawn"), or '
            "export a pandas or pyarrow frame to Parquet.",
        )


def _forked() -> None:
    global _lost  # noqa: PLW0603 - a fact about the process
    _lost = _lost or "polars" in sys.modules


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_forked)
