"""Signs of life: moving bytes keep a hub from ending the server, though not for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Activity:
    """What transfers tell of themselves.

    Parameters
    ----------
    note
        Called with each sign of life.
    time
        Monotonic seconds.
    most
        Seconds for which one transfer counts: a client that takes a byte now and then must not
        keep a server running that nobody uses.
    """

    def __init__(self, note: Callable[[], None], *, time: Callable[[], float], most: float) -> None:
        self._note = note
        self._time = time
        self._most = most

    def begin(self) -> Callable[[], None]:
        """Return what a transfer that begins now calls whenever bytes have moved."""
        begun = self._time()

        def moved() -> None:
            if self._time() - begun < self._most:
                self._note()

        return moved
