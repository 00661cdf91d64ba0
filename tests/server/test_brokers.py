"""Who settles the order of changes: alone, on one Redis with others, and while Redis is away."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_server_ext.ending import end
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.hub.hub import Hub
from jupyter_server_ext.jobs.reaper import JobLimits
from jupyter_server_ext.jobs.registry import JobRegistry
from jupyter_server_ext.model.link import Link
from jupyter_server_ext.stores import LINKS
from jupyter_server_ext.stores import redis_scripts as scripts
from jupyter_server_ext.stores.local import LocalBroker, LocalKeys, LocalLocker
from jupyter_server_ext.stores.memory import MemoryStore
from jupyter_server_ext.stores.redis import TIMEOUT, LostError, MissingExtraError, Redis, address
from jupyter_server_ext.stores.redis_broker import RedisBroker
from jupyter_server_ext.stores.redis_locker import RedisKeys, RedisLocker
from jupyter_server_ext.stores.redis_secret import RedisSecret
from jupyter_server_ext.stores.redis_session import LIFE, RedisSession
from jupyter_server_ext.stores.redis_store import RedisStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from redis_server import RedisServer

    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[object]]

LOG = logging.getLogger("test_brokers")
LEASE = 2.0


class Side:
    """What a server has that the broker touches: real parts, and no HTTP."""

    def __init__(
        self, redis: RedisServer | None, namespace: str, identity: str, life: float = LIFE
    ) -> None:
        self.hub = Hub(
            epoch=identity,
            interval=0.01,
            clock=asyncio.get_running_loop(),
            timestamp=lambda: time.time_ns() // 1_000_000,
        )
        self.session: RedisSession | None = None
        self.broker: Any = LocalBroker()
        if redis is not None:
            client = Redis(redis.url, namespace)
            self.session = RedisSession(client, identity=identity, lease=LEASE, life=life, log=LOG)
            self.broker = RedisBroker(self.session, log=LOG)
        self.store = MemoryStore()
        self.registry = JobRegistry(
            store=self.store,
            broker=self.broker,
            hub=self.hub,
            files_url="/files/",
            now=self.hub.timestamp,
            limits=JobLimits(1000, 1000, 30),
        )

    async def start(self) -> Side:
        await self.registry.load()
        await self.broker.start(self.registry)
        return self

    def job(self, task_id: str) -> tuple[int, Json] | None:
        """What pages are told of a job, and the number of it."""
        topic = self.hub.topic(task_id)
        return None if topic is None else (topic.seq, topic.data)

    @property
    def position(self) -> tuple[str, dict[str, int]]:
        seqs = {task_id: self.job(task_id)[0] for task_id in self.registry.jobs}
        return self.hub.epoch, seqs

    @property
    def attached(self) -> bool:
        return self.session is not None and self.session.attached

    async def sleep(self) -> None:
        """Hear and say nothing from now on, as a process that is stopped."""
        assert self.session is not None
        await end(self.session._tasks, 1.0)


class Place:
    """Servers of one place on one Redis."""

    def __init__(self, redis: RedisServer, namespace: str) -> None:
        self.redis = redis
        self._namespace = namespace
        self.sides: list[Side] = []

    async def server(self, *, alone: bool = False, identity: str = "", life: float = LIFE) -> Side:
        identity = identity or f"server-{len(self.sides)}"
        side = Side(None if alone else self.redis, self._namespace, identity, life)
        self.sides.append(side)
        return await side.start()

    def lives(self) -> dict[str, int]:
        return self.redis.lives(self._namespace)

    async def close(self) -> None:
        for side in self.sides:
            await side.broker.close()


@pytest.fixture
def place(
    tmp_path: Path, redis: RedisServer, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Iterator[Place]:
    made = Place(redis, tmp_path.name)
    yield made
    jp_asyncio_loop.run_until_complete(made.close())
    assert [key for key, left in made.lives().items() if left < 0] == [], "they live for ever"


@pytest.fixture
def frail(own_redis: RedisServer, jp_asyncio_loop: asyncio.AbstractEventLoop) -> Iterator[Place]:
    """Servers on a Redis of the test's own."""
    own_redis.start()
    made = Place(own_redis, "n")
    yield made
    own_redis.go_on() if own_redis.process else None
    jp_asyncio_loop.run_until_complete(made.close())


@pytest.fixture(params=["alone", "redis", "redis-away"])
def one(
    request: pytest.FixtureRequest, place: Place, jp_asyncio_loop: asyncio.AbstractEventLoop
) -> Side:
    async def make() -> Side:
        side = await place.server(alone=request.param == "alone")
        if request.param == "redis-away":
            await side.sleep()
            side.session.lose(LostError("it is away"))
        return side

    return jp_asyncio_loop.run_until_complete(make())


# --- The contract --------------------------------------------------------------------------------


async def test_changes_are_numbered_without_a_gap(one: Side, report: Report) -> None:
    body = report()
    for revision in range(1, 6):
        await one.registry.report(body | {"revision": revision, "rows": revision})
        seq, data = one.job(body["taskId"])
        assert (seq, data["rows"]) == (revision, revision)
    assert one.broker.owns(body["taskId"])


async def test_what_changes_nothing_has_no_number(one: Side, report: Report) -> None:
    body = report()
    for _ in range(3):
        await one.registry.report(body)
    assert one.job(body["taskId"])[0] == 1


async def test_changes_at_the_same_time_all_count(one: Side, report: Report) -> None:
    body = report()
    await one.registry.report(body)
    reports = [one.registry.report(body | {"revision": 2 + n, "rows": n}) for n in range(20)]
    wishes = [one.registry.ask(body["taskId"], "pause"), one.registry.locate(body["taskId"], "a")]
    await asyncio.gather(*reports, *wishes)
    seq, data = one.job(body["taskId"])
    assert data["rows"] == 19
    assert (data["pending"], data["notebook"]) == ("pause", "a")
    assert 4 <= seq <= 23


async def test_a_removed_job_is_gone_and_goes_on_counting(one: Side, report: Report) -> None:
    body = report(status="failed")
    await one.registry.report(body)
    await one.registry.remove(body["taskId"])
    assert one.job(body["taskId"]) is None
    assert not one.registry.jobs
    await one.registry.report(body)
    assert one.job(body["taskId"])[0] > 1


async def test_a_second_process_is_told_who_is_at_work(one: Side, report: Report) -> None:
    body = report(kernelId="k1", pid=11)
    await one.registry.report(body)
    for stranger in ({"pid": 12}, {"kernelId": "k2"}, {"kernelId": None}):
        with pytest.raises(ApiError) as caught:
            await one.registry.report(body | {"revision": 99} | stranger)
        assert caught.value.code == "task-taken"
        assert "Process 11 of kernel k1" in caught.value.message
    assert one.job(body["taskId"])[0] == 1
    await one.registry.interrupt(body["taskId"], "kernel-silent")
    await one.registry.report(body | {"revision": 99, "pid": 12})
    with pytest.raises(ApiError):
        await one.registry.report(body | {"revision": 100})


async def test_what_was_known_before_is_told(place: Place, report: Report) -> None:
    for alone in (True, False):
        side = Side(None if alone else place.redis, "n", f"loads-{alone}")
        place.sides.append(side)
        job = await (await place.server(alone=True)).registry.report(report())
        side.store.save(job)
        await side.start()
        assert side.job(job.task_id) == (1, side.registry.public(job))


# --- Several servers -----------------------------------------------------------------------------


async def test_all_see_the_same_under_the_same_numbers(
    place: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await place.server(), await place.server()
    bodies = [report(), report(status="failed"), report()]
    for body in bodies:
        await a.registry.report(body)
    for revision in range(2, 30):
        await a.registry.report(bodies[0] | {"revision": revision})
    await eventually(lambda: a.position == b.position)
    assert a.position[1][bodies[0]["taskId"]] == 29
    late = await place.server()
    assert late.position == a.position
    assert [late.job(body["taskId"]) for body in bodies] == [
        a.job(body["taskId"]) for body in bodies
    ]
    await b.registry.remove(bodies[1]["taskId"])
    await eventually(lambda: len(a.registry.jobs) == len(late.registry.jobs) == 2)


async def test_a_wish_reaches_the_server_of_the_kernel(
    place: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await place.server(), await place.server()
    body = report()
    await b.registry.report(body)
    await eventually(lambda: a.job(body["taskId"]))
    asked = await a.registry.ask(body["taskId"], "cancel")
    job = await b.registry.report(body | {"revision": 2})
    assert job.pending == asked.pending
    assert (a.broker.owns(job.task_id), b.broker.owns(job.task_id)) == (False, True)
    assert a.registry.own() == []
    assert a.store._items == {}, "what another server speaks for is kept there"


async def test_no_change_of_two_servers_is_lost(
    place: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await place.server(), await place.server()
    body = report()
    await a.registry.report(body)
    await eventually(lambda: b.job(body["taskId"]))

    async def reports() -> None:
        for revision in range(2, 40):
            await a.registry.report(body | {"revision": revision})

    async def moves() -> None:
        for turn in range(40):
            await b.registry.locate(body["taskId"], f"{turn}.ipynb")

    await asyncio.gather(reports(), moves())
    await eventually(lambda: a.position == b.position)
    seq, data = a.job(body["taskId"])
    assert seq == 79, "each change has a number of its own"
    assert data["notebook"] == "39.ipynb"
    assert data["revision"] == 39
    assert a.broker.conflicts + b.broker.conflicts > 0


def tokens(redis: RedisServer, namespace: str, task_id: str) -> str:
    return redis.command("HGET", f"progresswidget:{{{namespace}}}:job:{task_id}", "token")


async def test_row_64_who_slept_cannot_write_with_an_old_token(
    place: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await place.server(), await place.server()
    body = report()
    await a.registry.report(body)
    await eventually(lambda: b.job(body["taskId"]))
    before = a.broker._marks[body["taskId"]].token
    await a.sleep()
    # Nobody has heard of A for the lease, so B takes its job; then the kernel comes to B.
    await eventually(lambda: b.job(body["taskId"])[1]["status"] == "interrupted")
    await b.registry.report(body | {"revision": 5})
    after = b.broker._marks[body["taskId"]].token
    assert int(after) > int(before)
    settled = b.position
    # A wakes up with reports that it had not answered yet, and with what it thinks of its kernels.
    await a.registry.report(body | {"revision": 4})
    await a.registry.interrupt(body["taskId"], "kernel-silent")
    assert a.broker.fenced == 1, "it learns the truth by the first refusal"
    assert b.position == settled
    assert b.job(body["taskId"])[1]["revision"] == 5


async def test_a_process_that_goes_to_another_server_takes_its_job_along(
    place: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await place.server(), await place.server()
    body, given = report(status="paused"), []
    for turn in range(6):
        side = (a, b)[turn % 2]
        # Not even something new to say is needed.
        await side.registry.report(body)
        assert side.broker.owns(body["taskId"])
        given.append(int(side.broker._marks[body["taskId"]].token))
        await eventually(lambda: a.position == b.position)
    assert given == sorted(set(given)), "the token grows with each owner"
    assert not a.broker.owns(body["taskId"])


async def test_whoever_waits_while_others_settle_decides_again(
    place: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await place.server(), await place.server()
    body = report()
    await a.registry.report(body)
    await eventually(lambda: b.job(body["taskId"]))
    a.session._settled.clear()
    wish = asyncio.create_task(a.registry.ask(body["taskId"], "pause"))
    await b.registry.locate(body["taskId"], "new.ipynb")
    await eventually(lambda: a.job(body["taskId"])[1]["notebook"] == "new.ipynb")
    a.session._settled.set()
    await wish
    data = a.job(body["taskId"])[1]
    assert (data["notebook"], data["pending"]) == ("new.ipynb", "pause")


async def test_a_job_at_work_never_has_no_owner(
    frail: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await frail.server(), await frail.server()
    body = report()
    await b.registry.report(body)
    await eventually(lambda: a.job(body["taskId"]))
    await b.sleep()
    frail.redis.stop()
    frail.redis.start()
    # Only A puts it back, and B is not there to own it.
    await eventually(lambda: a.session.losses and a.attached)
    assert a.broker.owns(body["taskId"])


async def test_the_jobs_of_a_dead_server_are_interrupted_once(
    place: Place, report: Report, eventually: Eventually
) -> None:
    a, b, c = [await place.server() for _ in range(3)]
    running, ended = report(), report(status="failed")
    for body in (running, ended):
        await a.registry.report(body)
    await eventually(lambda: b.position == c.position == a.position)
    await a.sleep()
    for side in (b, c):
        await eventually(
            lambda side=side: side.job(running["taskId"])[1]["status"] == "interrupted"
        )
    await eventually(lambda: b.position == c.position)
    assert b.position[1] == {running["taskId"]: 2, ended["taskId"]: 1}
    assert b.job(running["taskId"])[1]["error"]["code"] == "kernel-silent"


async def test_a_server_has_its_lease_to_come_back_after_redis_was_away(
    frail: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await frail.server(), await frail.server()
    body = report()
    await b.registry.report(body)
    await eventually(lambda: a.job(body["taskId"]))
    # While Redis is away leases end, and A is the first to find it again. Nothing is awaited before
    # A has lost it: a machine that is slow would see B die with Redis there.
    for task in b.session._tasks:
        task.cancel()
    frail.redis.command("DEL", "progresswidget:{n}:server:server-1")
    a.session.lose(LostError("it was away"))
    await b.sleep()
    await eventually(lambda: a.attached)
    found = a.session._since
    await eventually(lambda: a.job(body["taskId"])[1]["status"] == "interrupted")
    assert time.monotonic() - found >= LEASE


async def test_a_server_that_is_restarted_keeps_its_jobs(
    place: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await place.server(), await place.server()
    body = report()
    await a.registry.report(body)
    await a.broker.close()
    again = await place.server(identity="server-0")
    assert again.broker.owns(body["taskId"])
    assert [job.task_id for job in again.registry.own()] == [body["taskId"]]
    await again.registry.report(body | {"revision": 2})
    await eventually(lambda: b.position == again.position)
    assert again.broker.fenced == 0


async def test_a_job_whose_removal_redis_has_forgotten_goes_on_counting(
    place: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await place.server(), await place.server()
    body = report(status="failed")
    for revision in range(1, 4):
        await a.registry.report(body | {"revision": revision})
    await eventually(lambda: a.position == b.position)
    await a.registry.remove(body["taskId"])
    await eventually(lambda: not b.registry.jobs)
    key = a.session.redis.key("job", body["taskId"])
    assert place.redis.command("DEL", key) == ":1", "as it does after a day"
    async with asyncio.timeout(30):
        await b.registry.report(body | {"revision": 9})
    await eventually(lambda: a.position == b.position)
    assert a.job(body["taskId"])[0] > 3


async def test_a_reader_that_slept_for_too_long_reads_everything_again(
    place: Place, report: Report, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jupyter_server_ext.stores.redis_broker.STREAM", 1)
    a, b = await place.server(), await place.server()
    b.session._tasks[0].cancel()  # it does not read any more
    bodies = [report() for _ in range(300)]
    for body in bodies:
        await a.registry.report(body)
    b.session._tasks[0] = asyncio.get_running_loop().create_task(b.session._stay())
    await eventually(lambda: a.position == b.position)
    assert b.session.losses == 0


# --- Redis goes and comes ------------------------------------------------------------------------


def lose(redis: RedisServer, how: str) -> None:
    if how in {"killed", "emptied"}:
        redis.stop()
    elif how == "paused":
        redis.pause()
    elif how == "flushed":
        redis.command("FLUSHALL")
    else:
        redis.command("CONFIG", "SET", "maxmemory", "1")


def bring_back(redis: RedisServer, how: str) -> None:
    if how in {"killed", "emptied"}:
        redis.start()
    elif how == "paused":
        redis.go_on()
    elif how == "full":
        redis.command("CONFIG", "SET", "maxmemory", "0")


@pytest.mark.parametrize("how", ["emptied", "paused", "full", "flushed"])
async def test_row_63_redis_goes_and_comes_back(
    frail: Place,
    report: Report,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
    how: str,
) -> None:
    caplog.set_level(logging.INFO)
    a, b = await frail.server(), await frail.server()
    bodies = [report(), report()]
    for side, body in zip((a, b), bodies, strict=True):
        await side.registry.report(body)
    await eventually(lambda: a.position == b.position)
    shared = a.hub.epoch
    lose(frail.redis, how)
    begun = time.monotonic()
    for revision in range(2, 6):
        for side, body in zip((a, b), bodies, strict=True):
            await side.registry.report(body | {"revision": revision})
    assert time.monotonic() - begun < 30, "one time-out each, and then nobody waits for Redis"
    if how != "flushed":
        assert not a.attached
        assert len({a.hub.epoch, b.hub.epoch, shared}) == 3, "no two share a history now"
        assert "is gone" in caplog.text
        assert a.session.health.degraded
    await a.registry.report(bodies[0] | {"revision": 6})
    bring_back(frail.redis, how)
    await eventually(lambda: a.attached and b.attached and a.position == b.position)
    assert "is back" in caplog.text
    assert (a.hub.epoch == shared) is (how in {"paused", "full"}), "new if the data is lost"
    assert [b.job(body["taskId"])[1]["revision"] for body in bodies] == [6, 5]
    assert not a.session.health.degraded
    assert frail.redis.password not in caplog.text
    # And all goes on as before.
    await a.registry.report(bodies[0] | {"revision": 7})
    await eventually(lambda: a.position == b.position)


class Watched(Redis):
    """Counts how often it was looked for."""

    tries = 0

    async def begin(self) -> str:
        self.tries += 1
        return await super().begin()


class Turns:
    """Pauses that last until a test ends them."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._turn = asyncio.Semaphore(0)

    async def pause(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self._turn.acquire()

    def end(self, most: int = 1) -> None:
        for _ in range(most):
            self._turn.release()


@pytest.mark.parametrize("how", ["killed", "paused"])
async def test_row_63_a_redis_that_is_back_is_found_within_five_seconds(
    own_redis: RedisServer, eventually: Eventually, how: str
) -> None:
    # No clock is looked at: what counts is how long it asks to pause, that a try which is not
    # answered ends, and that the first one after the return finds it.
    own_redis.start()
    turns = Turns()
    # One that is paused leaves a question open until its time is over, one that is dead does not.
    client = Watched(own_redis.url, "n", timeout=1.0 if how == "paused" else 60.0)
    session = RedisSession(client, identity="a", lease=LEASE, log=LOG, pause=turns.pause)
    await session.start()
    assert (session.attached, client.tries) == (True, 1)
    lose(own_redis, how)
    await eventually(lambda: len(turns.asked) == 1)
    for pauses in range(2, 4 if how == "killed" else 1):
        turns.end()
        await eventually(lambda pauses=pauses: len(turns.asked) == pauses)
    assert (session.attached, client.tries) == (False, 1 + len(turns.asked)), "a try, a pause"
    bring_back(own_redis, how)
    before = client.tries
    turns.end(1 if how == "killed" else 100)  # a busy machine may not answer within a second
    await eventually(lambda: session.attached)
    assert how == "paused" or client.tries == before + 1, "the first try finds it"
    assert max(turns.asked) + TIMEOUT <= 5.0, "one pause, and one try that began too early"
    await session.close()


async def test_a_redis_that_forgot_the_last_changes_begins_a_new_history(
    own_redis: RedisServer,
    jp_asyncio_loop: asyncio.AbstractEventLoop,
    report: Report,
    eventually: Eventually,
) -> None:
    own_redis.start()
    place = Place(own_redis, "n")
    a = await place.server()
    body = report()
    await a.registry.report(body)
    assert own_redis.command("SAVE") == "+OK"
    for revision in range(2, 6):
        await a.registry.report(body | {"revision": revision})
    shared = a.hub.epoch
    own_redis.stop()
    own_redis.start()
    await eventually(lambda: a.session.losses and a.attached)
    assert a.hub.epoch != shared, "number 2 would mean two different states"
    assert a.job(body["taskId"])[1]["revision"] == 5
    await place.close()


async def test_a_redis_that_forgot_a_removal_is_told_it_again(
    frail: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await frail.server(), await frail.server()
    gone, again, kept = (report(status="failed") for _ in range(3))
    for body in (gone, again, kept):
        await a.registry.report(body)
    await eventually(lambda: a.position == b.position)
    assert frail.redis.command("SAVE") == "+OK"
    await a.registry.remove(gone["taskId"])
    await b.registry.remove(again["taskId"])
    await eventually(lambda: len(a.registry.jobs) == len(b.registry.jobs) == 1)
    await a.registry.report(again | {"generation": again["generation"] + 1})
    await eventually(lambda: a.position == b.position)
    for losses in (1, 2):  # the same data twice: as a replica that is promoted late has it
        dump = (frail.redis.folder / "dump.rdb").read_bytes()
        frail.redis.stop()
        (frail.redis.folder / "dump.rdb").write_bytes(dump)
        frail.redis.start()
        for side in (a, b):
            await eventually(
                lambda side=side, losses=losses: side.session.losses == losses and side.attached
            )
        await eventually(lambda: a.position == b.position)
        late = await frail.server()
        for side in (a, b, late):
            assert side.registry.jobs.keys() == {again["taskId"], kept["taskId"]}
            assert side.job(again["taskId"])[1]["generation"] == again["generation"] + 1
        await late.broker.close()


async def test_what_was_removed_meanwhile_stays_removed(
    frail: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await frail.server(), await frail.server()
    body = report(status="failed")
    await a.registry.report(body)
    await eventually(lambda: b.job(body["taskId"]))
    await a.sleep()
    a.session.lose(LostError("the network is cut"))
    assert a.registry.jobs
    await b.registry.remove(body["taskId"])
    await a.session.start()
    assert not a.registry.jobs
    assert a.position == b.position


async def test_what_is_removed_without_redis_stays_removed(
    frail: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await frail.server(), await frail.server()
    ended, again = report(status="failed"), report(status="failed")
    for body in (ended, again):
        await a.registry.report(body)
    await eventually(lambda: a.position == b.position)
    await a.sleep()
    a.session.lose(LostError("the network is cut"))
    for body in (ended, again):
        await a.registry.remove(body["taskId"])
    # What has run again meanwhile is not what was removed.
    await b.registry.report(again | {"generation": again["generation"] + 1})
    await a.session.start()
    await eventually(lambda: a.position == b.position)
    assert [*b.registry.jobs] == [again["taskId"]]


@pytest.mark.parametrize("asked", ["here", "elsewhere"])
async def test_a_wish_outlives_that_one_server_is_cut_off(
    frail: Place, report: Report, eventually: Eventually, asked: str
) -> None:
    a, b = await frail.server(), await frail.server()
    body = report()
    await a.registry.report(body)
    await a.registry.ask(body["taskId"], "pause")
    taken = await a.registry.report(body | {"revision": 2, "control": _wish(a, body)})
    assert taken.pending is None
    await eventually(lambda: a.position == b.position)
    await a.sleep()
    a.session.lose(LostError("the network is cut"))
    wishes, reports = (a, b) if asked == "here" else (b, a)
    await wishes.registry.ask(body["taskId"], "cancel")
    # The process goes on meanwhile, and its server hears of no wish.
    await reports.registry.report(body | {"revision": 9, "rows": 9000})
    await a.session.start()
    await eventually(lambda: a.position == b.position)
    for side in (a, b):
        _, data = side.job(body["taskId"])
        assert (data["pending"], data["rows"]) == ("cancel", 9000)
    assert reports.broker.owns(body["taskId"])


def _wish(side: Side, body: Json) -> str | None:
    pending = side.registry.get(body["taskId"]).pending
    return None if pending is None else pending.id


async def test_a_server_starts_without_redis_and_finds_it_later(
    own_redis: RedisServer, report: Report, eventually: Eventually
) -> None:
    place = Place(own_redis, "n")
    a = await place.server()
    body = report()
    await a.registry.report(body)
    own_redis.start()
    await eventually(lambda: a.attached)
    b = await place.server()
    assert b.position == a.position
    await place.close()


async def test_a_redis_that_dropped_a_job_for_want_of_memory_is_told_it_again(
    place: Place, report: Report, eventually: Eventually
) -> None:
    a, b = await place.server(), await place.server()
    body = report()
    for revision in range(1, 6):
        await a.registry.report(body | {"revision": revision})
    await eventually(lambda: b.position == a.position)
    epoch, client = a.hub.epoch, a.session.redis
    await client.command("DEL", client.key("job", body["taskId"]))
    await asyncio.wait_for(a.registry.report(body | {"revision": 6}), 30)
    await eventually(lambda: a.attached and b.attached and a.hub.epoch != epoch)
    await eventually(lambda: a.position == b.position)
    assert b.job(body["taskId"])[1]["revision"] == 6


async def test_what_cannot_be_understood_is_survived(
    place: Place,
    report: Report,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    a, b = await place.server(), await place.server()
    client = a.session.redis
    position = await client.command("HINCRBY", client.key("meta"), "position", 1)
    news = ("kind", "jobs", "key", "k", "state", "", "author", "another program")
    await client.command("XADD", client.key("changes"), f"{position}-0", *news)
    await eventually(lambda: a.session.losses == b.session.losses == 1)
    await eventually(lambda: a.attached and b.attached)
    await a.registry.report(report())
    await eventually(lambda: a.position == b.position)
    assert "cannot be understood" in caplog.text


# --- The address ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:secret@host:6379/0?x=secret", "redis://host:6379/0"),
        ("rediss://user:secret@host", "rediss://host"),
        ("unix://:secret@/run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
def test_an_address_without_its_secrets(url: str, shown: str) -> None:
    assert address(url) == shown
    assert Redis(url, "n").address == shown


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "redis", None)
    with pytest.raises(MissingExtraError, match=r"progresswidget\[redis\]"):
        Redis("redis://host", "n")


async def test_other_programs_can_read_how_far_a_file_is(place: Place, report: Report) -> None:
    side = await place.server()
    body = report()
    await side.registry.report(body)
    client = side.session.redis
    state = await client.command("HGET", client.key("job", body["taskId"]), "state")
    assert json.loads(state)["report"]["rows"] == body["rows"]


# --- How long a place is remembered ---------------------------------------------------------------


def kept(place: Place) -> dict[str, int]:
    """What belongs to a place as a whole, and not to one of its servers."""
    return {key: left for key, left in place.lives().items() if not key.startswith("server:")}


async def test_no_key_lives_for_ever(place: Place, report: Report) -> None:
    side = Side(place.redis, place._namespace, "a")
    place.sides.append(side)
    session = side.session
    secret = RedisSecret("links", session)
    secret.own = lambda: b"key"
    long = int(3 * LIFE * 1000)
    links: RedisStore[Link] = RedisStore(
        LINKS, session, interval=0.01, fields=lambda _: {}, life=lambda _: long, log=LOG
    )
    await side.start()
    body, ended = report(), report(status="failed")
    for each in (body, ended):
        await side.registry.report(each)
    await side.registry.report(body | {"revision": 2})
    await side.registry.remove(ended["taskId"])
    for key in "ab":
        await links.save_now(Link(key * 32, "a" * 32, 1, "user", 1, time.time_ns()))
    await links.delete(["b" * 32])
    await session.send("word", "key")
    locker = RedisLocker(session, LocalLocker(time.monotonic))
    lease = await locker.acquire("reaper", "a", 60)
    assert lease is not None
    assert await locker.renew(lease, 60)
    alone = LocalKeys(time.monotonic)
    await alone.claim("k", "request", "result", 60)
    keys = RedisKeys(session, alone)
    assert await keys.claim("k", "request", "other", 60), "it is put right by what was known"
    await keys.settle("k")

    # A key whose time was over before it could be put right is not made again.
    correction = ["request", "result", "1"]
    await session.redis.script(scripts.CORRECT, [session.redis.key("key", "over")], correction)

    lives, life = place.lives(), LIFE * 1000
    jobs, known = f"job:{body['taskId']}", {"meta", "changes", "jobs", "links", "secrets"}
    expected = known | {jobs, f"job:{ended['taskId']}", f"links:{'a' * 32}", f"links:{'b' * 32}"}
    assert lives.keys() == expected | {"server:a", "lease:reaper", "tokens:reaper", "key:k"}
    assert all(0 < left <= long for left in lives.values())
    for name in (*known, jobs):
        assert lives[name] > 0.98 * life, name
    assert lives["links"] > 0.98 * long, "an index has to outlive what it names"
    # The end of a history makes no key that has no end.
    await session.begin_anew()
    assert min(place.lives().values()) > 0


async def test_what_nobody_writes_to_lives_as_long_as_a_server(
    place: Place, report: Report, eventually: Eventually
) -> None:
    side = await place.server(life=12.0)
    for _ in range(3):
        await side.registry.report(report())
    await eventually(lambda: side.session._keep_at)
    lowest, refreshed = kept(place), set()
    assert len(lowest) == 6

    def lives_on() -> bool:
        for key, left in kept(place).items():
            if left > lowest[key]:
                refreshed.add(key)
            lowest[key] = min(left, lowest[key])
        return refreshed == lowest.keys()

    await eventually(lives_on)
    assert side.session.losses == 0
    assert len(side.registry.jobs) == 3


async def test_a_place_that_all_servers_have_left_vanishes_and_may_come_back(
    place: Place, report: Report, eventually: Eventually
) -> None:
    first, second = await place.server(life=5.0), await place.server(life=5.0)
    body = report()
    for revision in range(1, 4):
        await first.registry.report(body | {"revision": revision})
    await eventually(lambda: first.position == second.position)
    await first.broker.close()
    await second.broker.close()
    await eventually(lambda: not place.lives())
    # What a server had beside Redis it brings back, and all count from there.
    again = Side(place.redis, place._namespace, "server-0")
    place.sides.append(again)
    again.store.save(first.registry.jobs[body["taskId"]])
    await again.start()
    other = await place.server()
    await again.registry.report(body | {"revision": 9})
    await eventually(lambda: again.position == other.position)
    assert other.job(body["taskId"])[1]["revision"] == 9


async def test_a_stream_of_which_nobody_knows_how_far_it_was_begins_anew(
    place: Place, report: Report, eventually: Eventually
) -> None:
    first = await place.server()
    body = report()
    for revision in range(1, 6):
        await first.registry.report(body | {"revision": revision})
    await first.broker.close()
    assert place.redis.command("DEL", first.session.redis.key("meta")) == ":1"
    second, third = await place.server(), await place.server()
    await second.registry.report(body | {"revision": 6})
    await eventually(lambda: third.position == second.position)
    assert third.job(body["taskId"])[1]["revision"] == 6
    assert second.session.losses == 0
