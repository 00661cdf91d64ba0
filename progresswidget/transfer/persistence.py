"""Trying again: until it works, until it is in vain, or until nobody wants it any more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from progresswidget.transfer.answers import is_final, is_transient, refusal, unreachable
from progresswidget.transfer.retry import retry_after

if TYPE_CHECKING:
    from collections.abc import Callable

    from progresswidget.errors import TransferError
    from progresswidget.transfer.retry import Clock, Tries

_LATER: Final = frozenset({429, 503})
"""Answers whose ``Retry-After`` tells when."""


def _nothing(_: bool) -> None:  # noqa: FBT001
    pass


@dataclass(frozen=True, slots=True)
class Persistence:
    """How often something is tried, and what happens in between.

    Parameters
    ----------
    tries, clock
        How often, and after how long.
    look
        Called often while waiting; it may raise to end it all.
    waiting
        Told when a wait begins and when it ends.
    """

    tries: Tries
    clock: Clock
    look: Callable[[], None]
    waiting: Callable[[bool], None] = _nothing

    def progressed(self) -> None:
        """Start anew: bytes have come."""
        self.tries.progressed()

    def pause(self, problem: TransferError, asked: float | None = None) -> None:
        """Wait before the next try.

        Parameters
        ----------
        problem
            Raised if this was the last.
        asked
            The seconds that the server asked for, if it did.
        """
        self.look()  # a connection that we have cut ourselves is no failure
        wait = self.tries.failure(asked)
        if wait is None:
            raise problem
        self.waiting(True)  # noqa: FBT003
        try:
            self.clock.wait(wait, self.look)
        finally:
            self.waiting(False)  # noqa: FBT003

    def insist(self, ask: Callable[[], httpx.Response], url: str) -> httpx.Response:
        """Ask until there is an answer that would be the same the next time.

        Parameters
        ----------
        ask
            Sends the request.
        url
            The address, for messages.

        Raises
        ------
        TransferError
            If it was in vain.
        """
        while True:
            self.look()
            try:
                response = ask()
            except httpx.TransportError as error:
                self.look()
                problem = unreachable(error, url)
                if is_final(error):
                    raise problem from error
                self.pause(problem)
                continue
            if not is_transient(response):
                return response
            self.pause_after(response, url)

    def pause_after(self, response: httpx.Response, url: str) -> None:
        """Wait before the next try for as long as an answer asks; it is read and closed."""
        asked = None
        if response.status_code in _LATER:
            asked = retry_after(response.headers.get("Retry-After", ""), self.clock.now())
        self.pause(refusal(response, url), asked)
