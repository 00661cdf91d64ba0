"""What a cell displays while a loop goes on stands below the loop's card, whenever that is shown.

Else the time would decide: a card is shown when its loop has lasted for a moment, or at its end,
and nbval compares the order of outputs.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Any

from progresswidget.cell import running_shell
from progresswidget.protocol import JOB_MIMETYPE, RECEIPT_MIMETYPE

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger("progresswidget")


class _Thread(threading.local):
    """What kernels keep apart for each thread."""

    hooked = False
    showing = False


_thread = _Thread()


def precede(show: Callable[[], object]) -> None:
    """Have something shown before the next output of this thread, and of each one after it.

    Parameters
    ----------
    show
        Shows the cards that are due; those of loops themselves do not call it.
    """
    shell = running_shell()
    if shell is None or _thread.hooked:
        return
    _thread.hooked = True

    def make_way(message: Any) -> Any:
        if not (_thread.showing or _is_of_a_loop(message)):
            _thread.showing = True
            try:
                show()
            except Exception:  # noqa: BLE001 - it is logged whole; what follows is the user's own
                _log.exception("the progress of a loop could not be shown")
            finally:
                _thread.showing = False
        return message

    for publisher in (shell.display_pub, shell.displayhook):
        # IPython's own shell has none, and neither has the result of a cell before ipykernel 7.
        register = getattr(publisher, "register_hook", None)
        if register is not None:
            register(make_way)


def _is_of_a_loop(message: Any) -> bool:
    """Say whether an output has its order from elsewhere, or only changes one."""
    data = message["content"]["data"]
    return (
        message["msg_type"] == "update_display_data"
        or RECEIPT_MIMETYPE in data
        or data.get(JOB_MIMETYPE, {}).get("kind") == "task"
    )
