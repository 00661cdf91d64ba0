"""How often something is tried again, and after how long. Pure, but for the clock at the end."""

from __future__ import annotations

import random
import re
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

TRIES: Final = 5
"""Tries in a stretch without a byte of progress."""
BASE: Final = 0.5
CAP: Final = 20.0
"""Seconds: the bounds of the longest wait before a try, which doubles each time."""
PATIENCE: Final = 3_600.0
"""Seconds that a server may ask to wait, in all, before it has to send something."""
TRANSIENT: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that may be different the next time (RFC 9110 section 15, RFC 6585, RFC 8470)."""
LOOK: Final = 0.1
"""Seconds between two looks at what the user wants, while waiting."""


def retry_after(value: str, now: float) -> float | None:
    """Return the seconds that a ``Retry-After`` asks for, or None if it says nothing.

    RFC 9110 section 10.2.3: whole seconds, or a date.

    Parameters
    ----------
    value
        The value of the field.
    now
        Seconds since 1970.
    """
    text = value.strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError, OSError):
        return None
    return max(moment - now, 0.0)


class Tries:
    """Count tries, and say how long to wait before the next.

    Waits grow exponentially and are drawn from the whole interval from 0 (full jitter), so that
    clients which failed together do not come back together. A wait that the server asks for uses up
    no try, for a server that answers is there; but all of them together must end.

    Parameters
    ----------
    draw
        Returns a random number from 0 to 1.
    """

    def __init__(self, draw: Callable[[], float] = random.random) -> None:
        self._draw = draw
        self._failed = 0
        self._asked = 0.0

    @property
    def failed(self) -> int:
        """Tries that failed since the last progress."""
        return self._failed

    def progressed(self) -> None:
        """Start anew: bytes have come."""
        self._failed, self._asked = 0, 0.0

    def failure(self, asked: float | None = None) -> float | None:
        """Note a failure, and return the seconds to wait, or None if it was the last.

        Parameters
        ----------
        asked
            The seconds that the server asked for, if it did.
        """
        if asked is not None:
            self._asked += max(asked, BASE)  # a server that says 0 for ever is no better
            return asked if self._asked <= PATIENCE else None
        self._failed += 1
        if self._failed >= TRIES:
            return None
        longest: float = min(CAP, BASE * 2 ** (self._failed - 1))
        return self._draw() * longest


class Clock:
    """The time of day, and waiting; tests have one of their own."""

    def now(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def wait(self, seconds: float, look: Callable[[], None]) -> None:
        """Wait, and meanwhile call `look` often: it may raise to end the wait."""
        until = time.monotonic() + seconds
        look()
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, LOOK))
            look()
