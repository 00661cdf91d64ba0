"""Who may see which job: jupyter_server's authorizer is asked about each.

A job that a user may not see looks to that user as if it were not there.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import deque
from collections.abc import Awaitable
from itertools import islice
from typing import TYPE_CHECKING, Final, Self, TypeAlias

from jupyter_server_ext.logs import about
from progresswidget.protocol import MalformedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from jupyter_server.auth import User

    from progresswidget.protocol import Json

AUTH_RESOURCE: Final = "progresswidget"
"""The resource of the whole extension; each job has one of its own."""
_REMEMBERED: Final = 20_000
"""Answers that one connection remembers: of more the one is forgotten that is the oldest."""
_AT_ONCE: Final = 100
"""Jobs about which is asked in one turn of the event loop, where nobody waits for it."""
_PATIENCE: Final = 100
"""Messages of one page that may wait for an authorizer."""

_INVENTED: Final = re.compile(r"[0-9a-f]{32}")

Answer: TypeAlias = bool | Awaitable[bool]
Ask: TypeAlias = "Callable[[JobResource], Answer]"
_log: Final = logging.getLogger(__name__)


def is_invented(user: User) -> bool:
    """Say whether a person was invented by jupyter_server for a token or a password."""
    anonymous = user.name.startswith("Anonymous ")
    return anonymous and _INVENTED.fullmatch(user.username) is not None


class JobResource(str):
    """The resource of one job: ``progresswidget:<taskId>``.

    An authorizer that decides by more than the id finds it here.

    Parameters
    ----------
    record
        The public record of the job.
    """

    __slots__ = ("kernel_id", "notebook", "task_id", "user_id")

    task_id: str
    notebook: str | None
    """Path of the notebook below the server's root, if it is known."""
    kernel_id: str | None
    user_id: str | None
    """Whose job it is, if that is known."""

    def __new__(cls, record: Json) -> Self:
        """Name the resource of a job."""
        resource = super().__new__(cls, f"{AUTH_RESOURCE}:{record['taskId']}")
        resource.task_id = record["taskId"]
        resource.notebook = record.get("notebook")
        resource.kernel_id = record.get("kernelId")
        resource.user_id = record.get("userId")
        return resource

    @property
    def place(self) -> tuple[str | None, ...]:
        """What an answer may depend on: another place is another question."""
        return self.notebook, self.kernel_id, self.user_id


class Access:
    """What one page may see.

    Each job is asked about once, and again where its place changes or the page asks for it.

    Parameters
    ----------
    ask
        Asks the authorizer, which may take its time.
    changed
        Called with the id of a job when an answer came that did.
    """

    def __init__(self, ask: Ask, changed: Callable[[str], None]) -> None:
        self._ask = ask
        self._changed = changed
        self._known: dict[str, tuple[tuple[str | None, ...], bool]] = {}
        self._thinking: dict[JobResource, asyncio.Task[None]] = {}
        self._waiting: deque[Callable[[], None]] = deque()
        self._renewed: Iterator[Json] = iter(())
        self._turn: asyncio.Handle | None = None

    def sees(self, record: Json) -> bool:
        """Say whether a job may be seen, by its public record.

        While the authorizer thinks about it, what was true before is true.
        """
        resource = JobResource(record)
        place, answer = self._known.get(resource.task_id, (None, False))
        if place != resource.place and resource not in self._thinking:
            answer = self._decide(resource, answer)
        return answer

    def when_known(self, records: Iterable[Json], then: Callable[[], None]) -> None:
        """Call `then` when it is known which of the jobs may be seen, in the order of the calls.

        Raises
        ------
        MalformedError
            ``too-many``, if too much waits already.
        """
        for record in records:
            self._ask_anew(record)
        if not self._thinking and not self._waiting:
            then()
        elif len(self._waiting) < _PATIENCE:
            self._waiting.append(then)
        else:
            raise MalformedError("too-many", "too many messages wait for the authorizer")

    def renew(self, records: Iterable[Json]) -> None:
        """Ask about jobs anew, some at a time: rights may have changed."""
        self._renewed = iter(records)
        if self._turn is None:
            self._turn = asyncio.get_running_loop().call_soon(self._renew_some)

    def close(self) -> None:
        """Ask for nothing any more."""
        self._waiting.clear()
        self._renewed = iter(())
        for task in self._thinking.values():
            task.cancel()

    def _renew_some(self) -> None:
        self._turn = None
        some = list(islice(self._renewed, _AT_ONCE))
        for record in some:
            self._ask_anew(record)
        if some:
            self._turn = asyncio.get_running_loop().call_soon(self._renew_some)

    def _ask_anew(self, record: Json) -> None:
        resource = JobResource(record)
        if resource in self._thinking:
            return
        known = self._known.get(resource.task_id)
        before = known is not None and known[1]
        if self._decide(resource, before) != before and known is not None:
            self._changed(resource.task_id)

    def _decide(self, resource: JobResource, before: bool) -> bool:  # noqa: FBT001
        try:
            answer = self._ask(resource)
        except Exception:  # noqa: BLE001 - logged whole, and a report must not fail of it
            answer = self._failed(resource)
        if isinstance(answer, Awaitable):
            self._thinking[resource] = asyncio.ensure_future(self._think(resource, answer))
            return before
        self._remember(resource, bool(answer))
        return bool(answer)

    async def _think(self, resource: JobResource, answer: Awaitable[bool]) -> None:
        try:
            decided = bool(await answer)
        except Exception:  # noqa: BLE001 - as above
            decided = self._failed(resource)
        self._remember(resource, decided)
        del self._thinking[resource]
        self._changed(resource.task_id)
        while self._waiting and not self._thinking:
            self._waiting.popleft()()

    def _remember(self, resource: JobResource, answer: bool) -> None:  # noqa: FBT001
        # Never all of them: what a page may see would be gone until a slow authorizer has answered.
        self._known.pop(resource.task_id, None)
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[resource.task_id] = (resource.place, answer)

    def _failed(self, resource: JobResource) -> bool:
        _log.exception(
            "The authorizer failed, so the job is refused",
            extra=about("authorizer-failed", resource.task_id),
        )
        return False
