"""The thread that looks after bars which count their steps themselves, and have become slow."""

from __future__ import annotations

import atexit
import threading
import time
from typing import Any, ClassVar


class TMonitor(threading.Thread):
    """Draws the line of a bar whose steps come too seldom for what `miniters` says.

    Parameters
    ----------
    tqdm_cls
        The class of the bars.
    sleep_interval
        Seconds between two looks.
    """

    _test: ClassVar[dict[str, Any]] = {}

    def __init__(self, tqdm_cls: Any, sleep_interval: float) -> None:
        super().__init__(name="progresswidget-monitor", daemon=True)
        self.tqdm_cls = tqdm_cls
        self.sleep_interval = sleep_interval
        self._time = self._test.get("time", time.time)
        self.was_killed = self._test.get("Event", threading.Event)()
        self.woken = 0.0
        # It is a daemon: nobody waits for one that a lock holds.
        atexit.register(self.was_killed.set)
        self.start()

    def exit(self) -> bool:
        """End it."""
        self.was_killed.set()
        if self is not threading.current_thread():
            self.join()
        return self.report()

    def report(self) -> bool:
        """Say whether it looks after the bars."""
        return not self.was_killed.is_set()

    @property
    def watches(self) -> bool:
        """Whether it looks after the bars of this process: a fork leaves its child no thread."""
        return self.report() and self.is_alive()

    def get_instances(self) -> list[Any]:
        """Return the bars."""
        return [bar for bar in self.tqdm_cls._instances.copy() if hasattr(bar, "start_t")]  # noqa: SLF001

    def run(self) -> None:
        """Look after the bars until the end."""
        now = self._time()
        while True:
            self.woken = now
            self.was_killed.wait(self.sleep_interval)
            if self.was_killed.is_set():
                return
            with self.tqdm_cls.get_lock():
                now = self._time()
                for bar in self.get_instances():
                    if self.was_killed.is_set():
                        return
                    if bar.miniters > 1 and now - bar.last_print_t >= bar.maxinterval:
                        bar.miniters = 1  # the next step is shown, however slow it comes
                        bar.refresh(nolock=True)
                    if self.was_killed.is_set():
                        return
            bar = None  # a bar that nobody else keeps is to end, not to be looked after for ever
