"""What one connection asks for: tasks by their names or by a target, as far as it may see them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from jupyter_server_ext.hub.outbox import Answer
from jupyter_server_ext.hub.teller import LOST, Teller
from progresswidget import protocol
from progresswidget.protocol import MalformedError, Ping, Position, Subscribe

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from jupyter_server_ext.hub.hub import Hub
    from jupyter_server_ext.hub.topic import Topic
    from progresswidget.protocol import ClientMessage, Json, Target

MAX_TASKS: Final = 10_000
"""Tasks that one connection may subscribe to."""
MAX_TARGETS: Final = 100
"""Targets that one connection may subscribe to."""


class Subscriber(Teller):
    """A connection that subscribes.

    Parameters
    ----------
    hub, wake, more
        As for `Teller`.
    user
        Whose the connection is.
    """

    __slots__ = ("_targets", "_user")

    def __init__(self, hub: Hub, wake: Callable[[], None], *, user: str = "", **more: Any) -> None:
        super().__init__(hub, wake, **more)
        self._user = user
        self._targets: dict[Target, None] = {}

    @property
    def tasks(self) -> int:
        """How many tasks it is subscribed to, or about to be."""
        return len(self._told) + sum(task_id not in self._told for task_id in self._answering)

    def obey(self, message: ClientMessage) -> None:
        """Do what the page asks for.

        Raises
        ------
        MalformedError
            ``too-many``, if that would be more tasks or targets than are allowed.
        """
        if isinstance(message, Ping):
            self.send(protocol.pong(re=message.id, timestamp=self._hub.timestamp()))
        elif isinstance(message, Subscribe):
            if message.target is not None:
                self.follow(message.id, message.target)
            else:
                self._check_room(message.id, tasks=len(message.positions))
                self.answer(message.id, message.positions)
        elif message.target is not None:
            self.unfollow(message.target)
        else:
            self.forget(set(message.task_ids))

    def answer(self, re: int, positions: Iterable[Position]) -> None:
        """Subscribe, and queue one answer a task.

        Parameters
        ----------
        re
            Id of the message that asked.
        """
        for position in positions:
            task_id = position.task_id
            # First of all, so that nothing can happen between the answer and the first event.
            self._answering[task_id] = self._answering.get(task_id, 0) + 1
            if self._visible(task_id) is not None:
                self._hub.join(task_id, self)
            self._queue_up(Answer(re, position))
        # Once for all of them: thousands leave in large pieces, and others have their turn between.
        self._wake()

    def forget(self, task_ids: Collection[str]) -> None:
        """Unsubscribe."""
        for task_id in task_ids:
            self._hub.leave(task_id, self)
            self._told.pop(task_id, None)
            self._marked.pop(task_id, None)
            self._answering.pop(task_id, None)
            self._refused.pop(task_id, None)
        self._queue.withdraw(task_ids)

    def follow(self, re: int, target: Target) -> None:
        """Subscribe to the tasks of a target, those to come included.

        Raises
        ------
        MalformedError
            ``too-many``, if that would be more tasks or targets than are allowed.
        """
        found = [
            topic.task_id
            for topic in self._hub.topics()
            if not self._has(topic.task_id) and self._fits(topic, target)
        ]
        self._check_room(re, tasks=len(found), targets=1)
        self._targets[target] = None
        self._hub.follow(self)
        timestamp = self._hub.timestamp()
        self.send(protocol.watching(re=re, target=target, tasks=len(found), timestamp=timestamp))
        self.answer(re, map(Position, found))

    def unfollow(self, target: Target) -> None:
        """Unsubscribe from a target, and from the tasks that belong to it and to no other."""
        self._targets.pop(target, None)
        if not self._targets:
            self._hub.unfollow(self)
        self.forget(
            {
                task_id
                for task_id in self._told.keys() | self._answering.keys()
                if self._belongs(task_id, [target]) and not self._belongs(task_id, self._targets)
            }
        )

    def may_hear(self, transfer: Json) -> bool:
        """Say whether a transfer may be told, which may be one of a job's file."""
        topic = self._hub.topic(transfer.get("taskId") or "")
        return topic is None or self._sees(topic.data)

    def reconsider(self, task_id: str) -> None:
        """Take note that what `sees` says of a task has changed."""
        topic = self._hub.topic(task_id)
        if topic is not None:
            self.moved(task_id, topic)
            self.appeared(task_id, topic)

    def close(self) -> None:
        """Leave every topic."""
        self._hub.transfers.unwatch(self)
        self._hub.unfollow(self)
        for task_id in self._told.keys() | self._answering.keys():
            self._hub.leave(task_id, self)
        for known in (
            self._told,
            self._marked,
            self._answering,
            self._refused,
            self._transfers,
            self._targets,
        ):
            known.clear()
        self._queue.clear()

    # --- For the hub -------------------------------------------------------------------------

    def appeared(self, task_id: str, topic: Topic) -> None:
        """Subscribe to a task that belongs to a target: its whole state is due."""
        if self._has(task_id) or not any(self._fits(topic, target) for target in self._targets):
            return
        if self.tasks >= MAX_TASKS:
            self._refuse_one(task_id)
            return
        self._hub.join(task_id, self)
        self._told[task_id] = LOST
        self.mark(task_id)

    # --- What it may have ---------------------------------------------------------------------

    def _belongs(self, task_id: str, targets: Iterable[Target]) -> bool:
        topic = self._hub.topic(task_id)
        return topic is not None and any(one.fits(topic.data, self._user) for one in targets)

    def _fits(self, topic: Topic, target: Target) -> bool:
        return target.fits(topic.data, self._user) and self._sees(topic.data)

    def _check_room(self, re: int, *, tasks: int, targets: int = 0) -> None:
        if self.tasks + tasks > MAX_TASKS or len(self._targets) + targets > MAX_TARGETS:
            limit = f"at most {MAX_TASKS} tasks and {MAX_TARGETS} targets on one connection"
            raise MalformedError("too-many", limit, re)

    def _refuse_one(self, task_id: str) -> None:
        message = protocol.error(
            code="too-many",
            message=f"at most {MAX_TASKS} tasks on one connection",
            timestamp=self._hub.timestamp(),
            task_id=task_id,
            temporary=True,
        )
        self.send(message)
