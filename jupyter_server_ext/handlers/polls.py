"""Questions that wait for news: what they have in common."""

from __future__ import annotations

import math

from jupyter_server_ext.channel.polling import Wait
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.base import Handler


class PollHandler(Handler):
    """A handler whose question may wait."""

    _wait: Wait | None = None

    def wait(self) -> Wait:
        """Return what the question waits with; it ends when who asked has left."""
        # A page that only looks on is no use of the server: what moves counts by itself.
        self._track_activity = False
        self._wait = Wait()
        return self._wait

    def on_connection_close(self) -> None:
        """Wait no longer for somebody who has left."""
        if self._wait is not None:
            self._wait.end()
        super().on_connection_close()

    def patience(self) -> float:
        """Return how many seconds the client wants to wait.

        Raises
        ------
        ApiError
            ``malformed``.
        """
        text = self.get_query_argument("wait", "inf")
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not seconds >= 0:
            raise ApiError("malformed", "wait must be seconds from 0 on.")
        return seconds
