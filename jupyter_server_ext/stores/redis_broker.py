"""The order of changes of jobs among several servers, kept by Redis.

A change is settled by one script: it is the next one only if its author knew the one before, and
who speaks for a job still is its owner. Owners are told apart by a fencing token that grows with
each take-over (M. Kleppmann, "How to do distributed locking", 2016): a server that slept while
another one took its job over cannot write with what it remembers.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.logs import about
from jupyter_server_ext.model import decisions
from jupyter_server_ext.model.job import Job
from jupyter_server_ext.stores import Change
from jupyter_server_ext.stores import redis_scripts as scripts
from jupyter_server_ext.stores.redis_session import STREAM

if TYPE_CHECKING:
    from logging import Logger

    from jupyter_server_ext.stores import Follower
    from jupyter_server_ext.stores.redis_news import News
    from jupyter_server_ext.stores.redis_session import RedisSession, Script

_KIND: Final = "jobs"
_FIELDS: Final = ("seq", "owner", "token", "state")
_REMEMBERED: Final = 86_400
"""Seconds for which a removed job is known: a server that was away must not bring it back."""
_REMOVED: Final = 10_000
"""Removed jobs of which this server knows how far they were."""
_AT_ONCE: Final = 32
"""Jobs that are settled side by side."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far a job is.

    Parameters
    ----------
    owner
        The server that its process reports to.
    token
        What the owner was given when it took the job; it grows with each owner.
    """

    seq: int = 0
    owner: str = ""
    token: str = "0"  # noqa: S105 - a number, no secret


@dataclass(frozen=True, slots=True)
class _Known:
    """A mark, and the state that it stands for; None where there is none any more."""

    mark: _Mark
    job: Job | None


class RedisBroker:
    """A `Broker` for all servers of one Redis, and for this one alone while there is none.

    Parameters
    ----------
    session
        The server's life with Redis.
    log
        Where an unreadable record is told.
    """

    def __init__(self, session: RedisSession, *, log: Logger) -> None:
        self.conflicts = self.fenced = 0
        self._session = session
        self._log = log
        self._marks: dict[str, _Mark] = {}
        self._found: dict[str, _Known] = {}
        self._removed: dict[str, Job | None] = {}
        """What was removed, as it was then: a Redis that was restored may still have it."""
        self._follower: Follower | None = None
        session.join(_KIND, self)
        session.owners = self._owners
        session.bereaved = self._bereaved

    async def start(self, follower: Follower) -> None:
        """Settle what the follower knows with what the others do, and follow them."""
        self._follower = follower
        follower.rebased(uuid.uuid4().hex, {id_: (1, job) for id_, job in follower.jobs.items()})
        for task_id in follower.jobs:
            self._marks[task_id] = _Mark(owner=self._session.id)
        await self._session.start()

    async def close(self) -> None:
        """Leave the others."""
        await self._session.close()

    def owns(self, task_id: str) -> bool:
        """Say whether it is this server that a job's process reports to."""
        return self._marks.get(task_id, _Mark()).owner == self._session.id

    async def append(self, task_id: str, job: Job | None, *, owns: bool) -> bool:
        """Settle a change that follows what the follower knows now."""
        if not await self._session.settled():
            return False
        mark = self._marks.get(task_id, _Mark())
        if not self._session.attached:
            owner = self._session.id if owns else mark.owner
            self._marks[task_id] = _Mark(mark.seq, owner, mark.token)
            self._note_removal(task_id, job)
            self._the_follower.taken(Change(task_id, job, None))
            return True
        answer = await self._session.change(*self._write(task_id, job, mark, owns=owns))
        if answer is None:
            return False
        done, known = self._read_answer(task_id, job, answer)
        if known.mark.seq < mark.seq:
            if task_id in self._the_follower.jobs:
                # It counts anew: no answer to this would ever be the right one.
                await self._session.begin_anew()
            else:
                # That it was removed Redis has forgotten by now, and so must its mark be.
                self._marks.pop(task_id, None)
            return False
        self._take(task_id, known, own=done)
        return done

    def _write(self, task_id: str, job: Job | None, mark: _Mark, *, owns: bool) -> Script:
        redis, mine = self._session.redis, mark.owner == self._session.id
        keys = [redis.key("changes"), redis.key(_KIND), redis.key("job", task_id)]
        token = "" if not owns else mark.token if mine else "0"
        state = "" if job is None else _encode(job)
        author = self._session.id
        return scripts.APPEND, keys, [STREAM, task_id, mark.seq, author, token, state, _REMEMBERED]

    def _read_answer(self, task_id: str, job: Job | None, answer: list[str]) -> tuple[bool, _Known]:
        outcome, seq, owner, token, state = answer
        mark = _Mark(int(seq), owner, token)
        if outcome == "done":
            return True, _Known(mark, job)
        self.conflicts += 1
        self.fenced += outcome == "fenced"
        return False, _Known(mark, self._decode(task_id, state))

    # --- What others do ------------------------------------------------------------------------

    def heard(self, news: News) -> None:
        """Take a change from the stream, if it is not known already."""
        fields = news.fields
        mark = _Mark(int(fields["seq"]), fields["owner"], fields["token"])
        if mark.seq <= self._marks.get(news.key, _Mark()).seq:
            return  # mostly its own, which it knows from the answer
        own = news.author == self._session.id
        self._take(news.key, _Known(mark, self._decode(news.key, news.state)), own=own)

    def _take(self, task_id: str, known: _Known, *, own: bool) -> None:
        before = self._marks.get(task_id, _Mark())
        # The stream and the answers come over different connections: either may be first.
        if known.mark.seq == before.seq:
            self._marks[task_id] = known.mark
        elif known.mark.seq > before.seq:
            self._marks[task_id] = known.mark
            self._note_removal(task_id, known.job)
            self._forget_some()
            self._the_follower.taken(Change(task_id, known.job, known.mark.seq, own=own))

    def _note_removal(self, task_id: str, job: Job | None) -> None:
        if job is not None:
            self._removed.pop(task_id, None)
        elif (before := self._the_follower.jobs.get(task_id)) is not None:
            self._removed[task_id] = before
            if len(self._removed) > _REMOVED:
                del self._removed[next(iter(self._removed))]

    def _forget_some(self) -> None:
        # How far removed jobs were is known for a while: what comes late must not bring one back.
        jobs = self._the_follower.jobs
        if len(self._marks) > len(jobs) + 2 * _REMOVED:
            gone = [task_id for task_id in self._marks if task_id not in jobs]
            for task_id in gone[:_REMOVED]:
                del self._marks[task_id]

    def _owners(self) -> set[str]:
        jobs = self._the_follower.jobs
        return {
            mark.owner
            for task_id, mark in self._marks.items()
            if (job := jobs.get(task_id)) is not None and job.active
        }

    async def _bereaved(self, dead: set[str]) -> None:
        jobs = self._the_follower.jobs
        for task_id, mark in tuple(self._marks.items()):
            job = jobs.get(task_id)
            if mark.owner in dead and job is not None and job.active:
                await self._the_follower.orphaned(task_id)

    # --- Loss and return -----------------------------------------------------------------------

    def lost(self) -> None:
        """Begin a history of this server's own with what is known."""
        jobs = self._the_follower.jobs
        self._the_follower.rebased(
            uuid.uuid4().hex, {task_id: (1, job) for task_id, job in jobs.items()}
        )

    def lasting(self) -> list[str]:
        """Return the keys of the jobs, and of their index."""
        key = self._session.redis.key
        return [key(_KIND), *(key("job", task_id) for task_id in self._the_follower.jobs)]

    async def attach(self, *, emptied: bool) -> None:
        """Read all jobs, and settle those of which this server knows more."""
        redis, jobs = self._session.redis, self._the_follower.jobs
        ids = {str(task_id) for task_id in await redis.command("SMEMBERS", redis.key(_KIND))}
        self._found = await self._read(ids | set(jobs))
        ahead = [task_id for task_id, job in jobs.items() if self._is_ahead(task_id, job)]
        for first in range(0, len(ahead), _AT_ONCE):
            some = ahead[first : first + _AT_ONCE]
            await asyncio.gather(*(self._settle(task_id, jobs[task_id]) for task_id in some))
        for task_id, job in tuple(self._removed.items()):
            await self._settle_removal(task_id, job)

    def attached(self) -> None:
        """Go on with the history of all servers."""
        found, self._found = self._found, {}
        self._marks = {task_id: known.mark for task_id, known in found.items()}
        self._the_follower.rebased(
            self._session.epoch,
            {
                task_id: (known.mark.seq, known.job)
                for task_id, known in found.items()
                if known.job is not None
            },
        )

    async def _read(self, ids: set[str]) -> dict[str, _Known]:
        names, found = sorted(ids), {}
        keys = [self._session.redis.key("job", task_id) for task_id in names]
        rows = await self._session.redis.hashes(keys, _FIELDS)
        for task_id, (seq, owner, token, state) in zip(names, rows, strict=True):
            if seq is not None:
                mark = _Mark(int(seq), owner or "", token or "0")
                found[task_id] = _Known(mark, self._decode(task_id, state or ""))
        return found

    def _is_ahead(self, task_id: str, job: Job) -> bool:
        known = self._found.get(task_id)
        if known is None:
            return True
        # What others have removed stays removed, however much was known of it here.
        if known.job is None:
            return False
        return decisions.is_newer(job, known.job) or decisions.asks_more(job, known.job)

    async def _settle(self, task_id: str, job: Job) -> None:
        while self._is_ahead(task_id, job):
            theirs = self._found.get(task_id, _Known(_Mark(), None))
            heard = theirs.job is None or decisions.is_newer(job, theirs.job)
            # A job that is at work must have an owner: its process tells soon where it reports now.
            mine = theirs.mark.owner == self._session.id
            owns = mine or (heard and (self.owns(task_id) or job.active))
            both = job if theirs.job is None else decisions.merged(job, theirs.job)
            write = self._write(task_id, both, theirs.mark, owns=owns)
            answer = await self._session.run(*write)
            self._found[task_id] = self._read_answer(task_id, both, answer)[1]

    async def _settle_removal(self, task_id: str, job: Job | None) -> None:
        # What others have heard more of is not what was removed here.
        while (
            (known := self._found.get(task_id)) is not None
            and known.job is not None
            and (job is None or not decisions.is_newer(known.job, job))
        ):
            write = self._write(task_id, None, known.mark, owns=False)
            answer = await self._session.run(*write)
            self._found[task_id] = self._read_answer(task_id, None, answer)[1]

    # --- Records -------------------------------------------------------------------------------

    def _decode(self, task_id: str, state: str) -> Job | None:
        if not state:
            return None
        try:
            return Job.from_json(json.loads(state))
        except (ValueError, KeyError, TypeError) as error:
            self._log.warning(
                "Skipping the unreadable record of job %s: %s",
                task_id,
                error,
                extra=about("record-unreadable", task_id, store="redis"),
            )
            return None

    @property
    def _the_follower(self) -> Follower:
        if self._follower is None:
            raise RuntimeError("the broker was not started")
        return self._follower


def _encode(job: Job) -> str:
    return json.dumps(job.to_json(), separators=(",", ":"))
