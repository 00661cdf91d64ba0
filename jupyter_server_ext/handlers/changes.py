"""``api/changes``: the live channel of all jobs for who has no WebSocket."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from jupyter_server.auth.authorizer import AllowAllAuthorizer
from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.polls import PollHandler
from jupyter_server_ext.hub.changes import News
from jupyter_server_ext.model.transfer import may_see
from progresswidget import protocol
from progresswidget.protocol import Position, Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from progresswidget.protocol import Json

_CURSOR: Final = re.compile(r"([0-9a-f]{32})-([0-9]{1,16})-([0-9]{1,16})")


class Cursor(NamedTuple):
    """How far a client has been told.

    Parameters
    ----------
    history
        Who has counted.
    known
        The newest change that it knows.
    whole
        When it was last told everything, in seconds of the server's clock.
    """

    history: str
    known: int
    whole: int

    def __str__(self) -> str:
        return f"{self.history}-{self.known}-{self.whole}"


class ChangesHandler(PollHandler):
    """Whatever there is, and then what has changed since."""

    _cursor: Cursor | None
    _targets: list[Target]

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return messages of the live channel as soon as there are any, and where to go on."""
        self._cursor, self._targets = self._read_cursor(), self._read_targets()
        within, polls = self.patience(), self.services.polls
        answer = await polls.changes(self.user_id, self.wait(), within, self._look)
        self.set_header("Cache-Control", "no-store")
        self.finish(answer)

    def _read_cursor(self) -> Cursor | None:
        text = self.get_query_argument("cursor", None)
        if text is None:
            return None
        found = _CURSOR.fullmatch(text)
        if found is None:
            raise ApiError("malformed", "cursor must be one that was given here.")
        return Cursor(found[1], int(found[2]), int(found[3]))

    def _read_targets(self) -> list[Target]:
        notebook, mine = (self.get_query_argument(name, None) for name in ("notebook", "mine"))
        if mine not in {None, "1"}:
            raise ApiError("malformed", "mine must be 1.")
        targets = [] if notebook is None else [Target(notebook=notebook)]
        return targets if mine is None else [*targets, Target(own=True)]

    async def _look(self, is_last: bool) -> bytes | None:  # noqa: FBT001 - as `Polls` calls it
        hub, cursor = self.services.hub, self._known()
        count, now = hub.changes.count, int(hub.clock.time())
        news = None if cursor is None else hub.changes.since(cursor.known)
        if cursor is None or news is None:
            messages = await self._everything()
            place = Cursor(self.services.polls.history, count, now)
            return _answer(place, messages, complete=True)
        messages = await self._messages(news)
        self._cursor = cursor._replace(known=count)
        if not messages and not is_last:
            return None
        return _answer(self._cursor, messages, complete=False)

    def _known(self) -> Cursor | None:
        """Return the place of the client, where it still means something."""
        cursor, services = self._cursor, self.services
        if cursor is None or cursor.history != services.polls.history:
            return None
        # What one may see may change without any job: now and then everything is told anew.
        age = services.hub.clock.time() - cursor.whole
        settled = type(self.authorizer) is AllowAllAuthorizer or age < services.access_recheck
        return cursor if settled else None

    async def _everything(self) -> list[bytes]:
        services = self.services
        tasks = tuple(topic.task_id for topic in services.hub.topics())
        moving = services.transfers.active(self.user_id)
        return await self._messages(News(tasks, (), tuple((self.user_id, one) for one in moving)))

    async def _messages(self, news: News) -> list[bytes]:
        were = {record["taskId"] for record in news.gone if await self._concerns(record)}
        told = [message async for message in self._states((*news.tasks, *were), were)]
        timestamp = self.services.hub.timestamp()
        for owner, state in news.transfers:
            if may_see(self.user_id, owner) and await self.may_hear(state):
                update = protocol.transfer_update(data=state, timestamp=timestamp)
                told.append(protocol.encode(update).encode())
        return told

    async def _states(self, tasks: Iterable[str], were: set[str]) -> AsyncIterator[bytes]:
        """Yield the state of each task, or the news that it is gone for who has seen it."""
        hub = self.services.hub
        for task_id in dict.fromkeys(tasks):
            topic = hub.topic(task_id)
            if topic is not None and await self.may("read", topic.data):
                fits = task_id in were or self._fits(topic.data)
                state = hub.catch_up(Position(task_id)) if fits else None
                if state is not None:
                    yield state
            elif task_id in were:
                gone = protocol.removed(task_id=task_id, timestamp=hub.timestamp())
                yield protocol.encode(gone).encode()

    async def _concerns(self, record: Json) -> bool:
        return self._fits(record) and await self.may("read", record)

    def _fits(self, record: Json) -> bool:
        return all(target.fits(record, self.user_id) for target in self._targets)


def _answer(place: Cursor, messages: list[bytes], *, complete: bool) -> bytes:
    head = json.dumps({"cursor": str(place), "complete": complete})
    return head[:-1].encode() + b', "messages": [' + b",".join(messages) + b"]}"
