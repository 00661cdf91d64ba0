"""The live channel by plain HTTP: a question that waits until there is something to say.

For pages behind a proxy that lets no WebSocket through. An answer is what a `subscribe` from the
same place would get, so that a page does with it what it always does.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from jupyter_server_ext.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from jupyter_server_ext.hub.hub import Hub
    from jupyter_server_ext.hub.topic import Topic
    from progresswidget.protocol import Position

    Look = Callable[[bool], Awaitable[bytes | None]]


class Wait:
    """One question that waits: a listener that is told once, or as often as it waits again."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self.is_last = False
        """Whether it is to be answered with what there is."""

    def end(self) -> None:
        """Let it be answered with what there is."""
        self.is_last = True
        self.wake()

    def wake(self) -> None:
        """Note that there may be something to say."""
        self._over.set()

    def news(self, topic: Topic, first: int, frame: bytes) -> None:
        """Note that there are events."""
        self.wake()

    def ending(self, task_id: str, topic: Topic) -> None:
        """Do nothing: the end itself follows, and says it all."""

    def ended(self, task_id: str, topic: Topic) -> None:
        """Note that the task has ended."""
        self.wake()

    def removed(self, task_id: str) -> None:
        """Note that the task is gone."""
        self.wake()

    def lost(self, task_id: str) -> None:
        """Note that the task has another history."""
        self.wake()

    def rebased(self) -> None:
        """Do nothing: it is over already."""

    def moved(self, task_id: str, topic: Topic) -> None:
        """Note that who asks may see the task no longer."""
        self.wake()

    def again(self) -> None:
        """Wait for what comes from now on."""
        if not self.is_last:
            self._over.clear()

    async def over(self, within: float) -> None:
        """Return when there is something to say, or after `within` seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._over.wait()


class Polls:
    """All questions that wait.

    Parameters
    ----------
    longest
        Seconds that one waits at most.
    most
        Questions of one user that may wait at the same time.
    """

    def __init__(self, hub: Hub, *, longest: float, most: int) -> None:
        self.history = uuid.uuid4().hex
        """Names the changes that are counted here: a place of another server means nothing."""
        self._hub = hub
        self._longest = longest
        self._most = most
        self._waiting: set[Wait] = set()
        self._of_user: Counter[str] = Counter()

    async def news(self, user: str, position: Position, wait: Wait, within: float) -> bytes | None:
        """Return the `subscribed` message for a client at `position` when it is news, or in time.

        Parameters
        ----------
        user
            Whose question it is.
        within
            Seconds that the client wants to wait.

        Returns
        -------
        UTF-8 JSON, or None where the task is not known (any more).

        Raises
        ------
        ApiError
            ``too-many-polls``.
        """
        hub, task_id = self._hub, position.task_id
        with self._place(user, wait):
            hub.join(task_id, wait)
            try:
                if within > 0 and self._is_told(position):
                    await wait.over(min(within, self._longest))
            finally:
                hub.leave(task_id, wait)
        return hub.catch_up(position)

    async def changes(self, user: str, wait: Wait, within: float, look: Look) -> bytes:
        """Return what `look` finds of the changes of all jobs, or has found in time.

        Parameters
        ----------
        look
            Called now and after changes; the last time with True, and then it finds something.

        Raises
        ------
        ApiError
            ``too-many-polls``.
        """
        changes, time = self._hub.changes, self._hub.clock.time
        end = time() + min(within, self._longest)
        with self._place(user, wait):
            changes.listen(wait.wake)
            try:
                while True:
                    wait.again()
                    found = await look(wait.is_last or time() >= end)
                    if found is not None:
                        return found
                    await wait.over(end - time())
            finally:
                changes.unlisten(wait.wake)

    def end(self) -> None:
        """Let all be answered: the server is ending."""
        for wait in tuple(self._waiting):
            wait.end()

    def _is_told(self, position: Position) -> bool:
        # Progress that is not pushed yet is no news: else a page would ask at each report.
        topic = self._hub.topic(position.task_id)
        if topic is None or position.epoch != topic.epoch:
            return False
        return topic.ring.last <= position.seq <= topic.seq

    @contextmanager
    def _place(self, user: str, wait: Wait) -> Iterator[None]:
        if self._of_user[user] >= self._most:
            raise ApiError("too-many-polls", "Too many questions are waiting.", retry_after=1)
        self._of_user[user] += 1
        self._waiting.add(wait)
        try:
            yield
        finally:
            self._waiting.discard(wait)
            self._of_user[user] -= 1
            if self._of_user[user] <= 0:
                del self._of_user[user]
