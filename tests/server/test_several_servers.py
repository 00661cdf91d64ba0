"""Several servers on one Redis behind one address: whichever one reaches, it is the same place."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import json
import os
import random
import signal
import sqlite3
import time
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from several import Several

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from conftest import Process
    from redis_server import RedisServer

    from progresswidget.protocol import Json

    Report = Callable[..., Json]
    Eventually = Callable[..., Awaitable[object]]


@pytest.fixture
def several(start: Callable[..., Process], redis: RedisServer, tmp_path: Path) -> Iterator[Several]:
    place = Several(start, redis, tmp_path / "nginx")
    yield place
    place.close()


@pytest.fixture
def fragile(
    start: Callable[..., Process], own_redis: RedisServer, tmp_path: Path
) -> Iterator[Several]:
    """On a Redis that is going to be harmed."""
    own_redis.start()
    place = Several(start, own_redis, tmp_path / "nginx")
    yield place
    place.close()


@pytest.fixture
def until() -> Callable[..., object]:
    """Wait until a condition holds, by looking at it, and return what it says."""

    def wait(condition: Callable[[], object]) -> object:
        end = time.monotonic() + 30
        while not (value := condition()):
            assert time.monotonic() < end
            time.sleep(0.02)
        return value

    return wait


def refusal(server: Process, body: Json) -> Json:
    with pytest.raises(urllib.error.HTTPError) as caught:
        server.report(body)
    with caught.value:
        return {"status": caught.value.code} | json.load(caught.value)


async def test_a_page_at_one_server_sees_and_steers_what_reports_to_another(
    several: Several, report: Report, eventually: Eventually
) -> None:
    a, b = several.begin(2)
    assert a.endpoint.parent != b.endpoint.parent
    assert a.content["secret"] != b.content["secret"]
    body = report()
    b.report(body)
    page = several.page(several.ports[0], body["taskId"]).open()
    await eventually(lambda: page.revision(body["taskId"]) == 1)
    for revision in range(2, 12):
        await asyncio.to_thread(b.report, body | {"revision": revision})
    await eventually(lambda: page.revision(body["taskId"]) == 11)
    address = f"api/jobs/{body['taskId']}"
    await asyncio.to_thread(a.request, address, method="POST", body={"action": "pause"})
    answer = await asyncio.to_thread(b.report, body | {"revision": 12})
    assert answer["control"]["action"] == "pause"
    await asyncio.to_thread(a.report, report())
    await eventually(lambda: len(b.request("api/jobs")) == 2)
    assert a.request("api/jobs") == b.request("api/jobs")
    done = body | {"revision": 13, "status": "failed", "control": answer["control"]["id"]}
    await asyncio.to_thread(b.report, done)
    await eventually(lambda: page.states[body["taskId"]][2]["status"] == "failed")
    assert page.mistakes == []
    await page.close()


def test_a_kernel_hears_of_workers_that_count_at_another_server(
    several: Several, report: Report, until: Callable[..., object]
) -> None:
    a, b = several.begin(2)
    body = report()
    address = f"api/jobs/{body['taskId']}"
    # The first worker may be quicker than the kernel.
    b.request(f"{address}/counts/1-w", method="PUT", body={"steps": 3, "used": True}, empty=True)
    until(lambda: a.report(body).get("workers"))
    until(lambda: any(job["taskId"] == body["taskId"] for job in b.request("api/jobs")))
    b.request(f"{address}/counts/1-w", method="PUT", body={"steps": 5, "used": True}, empty=True)
    revisions = itertools.count(2)

    def heard() -> object:
        answer = a.report(body | {"revision": next(revisions)})
        return [(one["worker"], one["steps"], one["used"]) for one in answer.get("workers", [])]

    until(lambda: heard() == [("1-w", 5, True)])
    b.request(f"{address}/counts/1-w", method="PUT", body={"steps": 9, "used": False}, empty=True)
    until(lambda: heard() == [("1-w", 9, False)])
    # The kernel goes to the other server, where a count is still to come.
    b.report(body | {"revision": 10_000})
    a.request(f"{address}/counts/1-w", method="PUT", body={"steps": 12, "used": True}, empty=True)

    def moved() -> bool:
        answer = b.report(body | {"revision": 10_000 + next(revisions)})
        return [one["steps"] for one in answer.get("workers", [])] == [12]

    until(moved)


def test_links_and_transfers_are_those_of_all_servers(
    several: Several, report_of: Report, tmp_path: Path, until: Callable[..., object]
) -> None:
    a, b = several.begin(2)
    path = tmp_path / "root" / "flights.csv"
    path.write_bytes(b"a,b\n" * 100_000)
    body = report_of(path)
    a.report(body)
    address = f"api/jobs/{body['taskId']}"
    until(lambda: any(job["taskId"] == body["taskId"] for job in b.request("api/jobs")))
    link = a.request(f"{address}/links", method="POST", body={"expires": 60})

    def opened(port: int) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            connection.request("GET", link["url"])
            answer = connection.getresponse()
            return answer.status, answer.read()

    until(lambda: opened(several.ports[1]) == (200, path.read_bytes()))
    # What one server sends, the other one tells of.
    (mine,), (theirs,) = (
        until(lambda server=server: [t for t in server.request("api/transfers") if t["complete"]])
        for server in (b, a)
    )
    names = ("userId", "fileId", "offset", "size", "complete")
    assert [mine[name] for name in names] == [theirs[name] for name in names]
    assert mine["offset"] == path.stat().st_size
    assert stored(several, mine) == {
        "userId": mine["userId"],
        "fileId": mine["fileId"],
        "offset": str(mine["offset"]),
        "timestamp": str(mine["timestamp"]),
    }
    b.request(f"{address}/links/{link['id']}", method="DELETE", empty=True)
    until(lambda: [opened(port)[0] for port in several.ports] == [404, 404])
    # A server that comes later knows them all, and signs with the same key.
    link = a.request(f"{address}/links", method="POST", body={"expires": 60})
    a.stop(signal.SIGKILL)
    several.again(0)
    assert opened(several.ports[0])[0] == 200


def stored(several: Several, record: Json) -> Json:
    """Return what other programs can read of a transfer in Redis."""
    import redis

    name = json.dumps([record["userId"], record["fileId"]])
    key = f"progresswidget:{{{several._folder.parent.name}}}:transfers:{name}"
    with redis.Redis.from_url(several.redis.url, decode_responses=True) as client:
        found = client.hgetall(key)
        assert client.ttl(key) > 0
    return {name: found[name] for name in ("userId", "fileId", "offset", "timestamp")}


async def test_a_page_of_a_killed_server_misses_nothing(
    several: Several, report: Report, eventually: Eventually
) -> None:
    a, b = several.begin(2)
    port = several.balance()
    body = report()
    b.report(body)
    page = several.page(several.ports[0], body["taskId"]).open()
    await eventually(lambda: page.revision(body["taskId"]) == 1)
    page.port = port
    a.stop(signal.SIGKILL)
    for revision in range(2, 6):
        await asyncio.to_thread(b.report, body | {"revision": revision})
    await asyncio.to_thread(b.report, body | {"revision": 6, "status": "failed"})
    await eventually(lambda: page.revision(body["taskId"]) == 6)
    assert page.connections == 2
    assert page.snapshots == 1, "the first one; then it goes on in the same history"
    assert page.replayed > 0
    assert page.states[body["taskId"]][1] == 6
    assert page.mistakes == []
    await page.close()


def test_row_7_of_two_processes_with_one_job_the_second_is_refused(
    several: Several, report: Report, until: Callable[..., object]
) -> None:
    a, b = several.begin(2)
    body = report(kernelId="first", pid=11)
    a.report(body)
    for server in (a, b):
        answer = refusal(server, body | {"kernelId": "second", "pid": 12, "revision": 50})
        assert (answer["status"], answer["code"]) == (409, "task-taken")
        assert "Process 11 of kernel first" in answer["message"]
    a.report(body | {"revision": 2})
    until(lambda: b.request(f"api/jobs/{body['taskId']}")["revision"] == 2)


async def test_row_64_a_server_that_slept_changes_nothing(
    several: Several, report: Report, eventually: Eventually
) -> None:
    a, b = several.begin(2, server_lease=3, kernel_lease=30)
    body, idle = report(), report()
    for one in (body, idle):
        a.report(one)
    await eventually(lambda: len(b.request("api/jobs")) == 2)
    os.kill(a.pid, signal.SIGSTOP)
    # Two reports that nobody answers, as a kernel that gave up waiting has sent them.
    host, port = "127.0.0.1", several.ports[0]
    stale = [http.client.HTTPConnection(host, port, timeout=60) for _ in range(2)]
    for connection, revision in zip(stale, (2, 3), strict=True):
        path = f"/progresswidget/api/jobs/{body['taskId']}"
        headers = {"Authorization": f"Kernel {a.content['secret']}"}
        connection.request("PUT", path, json.dumps(body | {"revision": revision}), headers)
    address = f"api/jobs/{body['taskId']}"
    await eventually(lambda: b.request(address)["status"] == "interrupted")
    await eventually(lambda: b.request(f"api/jobs/{idle['taskId']}")["status"] == "interrupted")
    await asyncio.to_thread(b.report, body | {"revision": 4, "rows": 4444})
    await asyncio.to_thread(b.report, body | {"revision": 5, "rows": 5555})
    settled = changes(several)
    os.kill(a.pid, signal.SIGCONT)
    for connection in stale:
        assert connection.getresponse().status == 200
        connection.close()
    await eventually(lambda: a.request("api/jobs") == b.request("api/jobs"))
    written = [change for change in changes(several)[len(settled) :] if change["kind"] == "jobs"]
    assert written == [], "not one write of the one that slept is accepted"
    assert a.request(address)["rows"] == 5555
    tokens = [int(change["token"]) for change in settled if change["key"] == body["taskId"]]
    assert tokens == sorted(tokens)
    assert len(set(tokens)) == 2
    await asyncio.to_thread(b.report, body | {"revision": 6, "status": "failed"})
    assert changes(several)[-1]["token"] == str(tokens[-1])


def changes(several: Several) -> list[Json]:
    """Return what Redis has settled, in its order."""
    import redis

    name = f"progresswidget:{{{several._folder.parent.name}}}:changes"
    with redis.Redis.from_url(several.redis.url, decode_responses=True) as client:
        return [fields for _, fields in client.xrange(name)]


@pytest.mark.parametrize(
    "how", ["paused", *(pytest.param(how, marks=pytest.mark.faults) for how in ("killed", "full"))]
)
async def test_row_63_pages_and_jobs_go_on_without_redis(
    fragile: Several, report: Report, eventually: Eventually, how: str
) -> None:
    a, b = fragile.begin(2)
    redis, body = fragile.redis, report()
    task_id = body["taskId"]
    a.report(body)
    page = fragile.page(fragile.ports[0], task_id).open()
    await eventually(lambda: page.revision(task_id) == 1)
    shared = page.states[task_id][0]
    if how == "killed":
        redis.stop()
    elif how == "paused":
        redis.pause()
    else:
        redis.command("CONFIG", "SET", "maxmemory", "1")
    slowest, quickest = 0.0, 60.0
    for revision in range(2, 12):
        begun = time.monotonic()
        await asyncio.to_thread(a.report, body | {"revision": revision})
        slowest = max(slowest, time.monotonic() - begun)
        begun = time.monotonic()
        await asyncio.to_thread(b.request, "api/jobs")
        quickest = min(quickest, time.monotonic() - begun)
    # A busy machine is slow now and then; whoever waits for Redis waits for two seconds each time.
    assert quickest < 1.0, "what needs no Redis does not wait for it"
    assert slowest < 30.0
    await eventually(lambda: page.revision(task_id) == 11)
    alone = page.states[task_id][0]
    assert alone != shared
    health = await asyncio.to_thread(a.request, "api/health")
    assert (health["status"], health["stores"]["redis"]["degraded"]) == ("degraded", True)
    if how == "killed":
        redis.start()
    elif how == "paused":
        redis.go_on()
    else:
        redis.command("CONFIG", "SET", "maxmemory", "0")
    await eventually(
        lambda: page.states[task_id][0] not in {alone, *([shared] * (how == "killed"))}
    )
    await eventually(lambda: b.request(f"api/jobs/{task_id}")["revision"] == 11)
    await asyncio.to_thread(a.report, body | {"revision": 12, "status": "failed"})
    await eventually(lambda: page.states[task_id][2]["status"] == "failed")
    await eventually(lambda: a.request("api/health")["status"] == "ok")
    assert page.connections == 1, "the page stays connected all the time"
    assert page.mistakes == []
    log = a.log.read_text()
    assert "is gone" in log
    assert "is back" in log
    for server in (a, b):
        log = server.log.read_text()
        assert redis.password not in log
        assert "Traceback" not in log
    await page.close()


def test_row_62_two_servers_never_share_a_database(
    start: Callable[..., Process], report: Report
) -> None:
    first, second = start(), start()
    folders = {server.endpoint.parent for server in (first, second)}
    assert len(folders) == 2, "the second one sees the lock of the first, and takes another one"
    bodies = [report(status="failed"), report(status="failed")]
    for server, body in zip((first, second), bodies, strict=True):
        server.report(body)
    first.stop(signal.SIGKILL)
    # The slot of a killed server is free at once, and its jobs are those of the next one there.
    third = start()
    assert third.endpoint.parent == first.endpoint.parent
    for server, body in zip((third, second), bodies, strict=True):
        assert [job["taskId"] for job in server.request("api/jobs")] == [body["taskId"]]
        with closing(sqlite3.connect(server.endpoint.parent / "state.sqlite")) as database:
            assert database.execute("SELECT task_id FROM jobs").fetchall() == [(body["taskId"],)]


# --- At random -----------------------------------------------------------------------------------


class Script:
    """A process that exports, and reports to whichever server answers."""

    def __init__(self, several: Several, body: Json, chance: random.Random) -> None:
        self.body = body
        self._several = several
        self._chance = chance
        self.revision = 0
        self.refused: list[Json] = []

    async def run(self, stop: asyncio.Event) -> None:
        server = self._chance.choice(self._several.servers)
        while not stop.is_set():
            server = await self._say(server, "running")
            await asyncio.sleep(self._chance.uniform(0.01, 0.1))
        await self._say(server, "failed")

    async def _say(self, server: Process, status: str) -> Process:
        body = self.body | {"revision": self.revision + 1, "status": status}
        while True:
            try:
                async with asyncio.timeout(5):
                    await asyncio.to_thread(server.report, body)
            except urllib.error.HTTPError as error:
                with error:
                    if error.code < 500 and error.code not in {401, 403}:
                        self.refused.append(json.load(error))
                        return server
            except (OSError, TimeoutError, http.client.HTTPException):
                pass
            else:
                self.revision += 1
                return server
            await asyncio.sleep(0.05)
            server = self._chance.choice(self._several.servers)


async def havoc(several: Several, chance: random.Random, end: float) -> list[str]:
    """Kill, stop and restart servers and cut Redis at random, never all servers at once."""
    done: list[str] = []
    while time.monotonic() < end:
        await asyncio.sleep(chance.uniform(0.2, 1.0))
        index = chance.randrange(len(several.servers))
        deed = chance.choice(["kill", "kill", "stop", "redis"])
        done.append(f"{deed} {index}")
        if deed == "kill":
            several.servers[index].stop(signal.SIGKILL)
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            await asyncio.to_thread(several.again, index)
        elif deed == "stop":
            os.kill(several.servers[index].pid, signal.SIGSTOP)
            await asyncio.sleep(chance.uniform(0.2, 3.0))
            os.kill(several.servers[index].pid, signal.SIGCONT)
        else:
            several.redis.pause()
            await asyncio.sleep(chance.uniform(0.1, 2.0))
            several.redis.go_on()
    return done


async def live_through(
    several: Several, report: Report, eventually: Eventually, seconds: float, seed: int
) -> None:
    chance = random.Random(seed)
    several.begin(3, server_lease=1.5, kernel_lease=60)
    port = several.balance()
    scripts = [Script(several, report(), chance) for _ in range(4)]
    task_ids = [script.body["taskId"] for script in scripts]
    pages = [several.page(port, *task_ids, patience=3.0).open() for _ in range(6)]
    stop = asyncio.Event()
    running = [asyncio.create_task(script.run(stop)) for script in scripts]
    deeds = await havoc(several, chance, time.monotonic() + seconds)
    stop.set()
    await asyncio.wait_for(asyncio.gather(*running), 120)
    truth = {script.body["taskId"]: ("failed", script.revision) for script in scripts}

    def seen(records: list[Json]) -> dict[str, tuple[str, int]]:
        return {record["taskId"]: (record["status"], record["revision"]) for record in records}

    for server in several.servers:
        await eventually(lambda server=server: seen(server.request("api/jobs")) == truth)
    for page in pages:
        await eventually(
            lambda page=page: seen([data for _, _, data in page.states.values()]) == truth
        )
        await page.close()
    print(
        f"{len(deeds)} deeds, {sum(s.revision for s in scripts)} reports, "
        f"{sum(p.connections for p in pages)} connections, "
        f"{sum(p.replayed for p in pages)} events replayed, "
        f"{sum(p.snapshots for p in pages)} snapshots"
    )
    assert [page.mistakes for page in pages] == [[]] * len(pages), deeds
    assert [script.refused for script in scripts] == [[]] * len(scripts), deeds


async def test_kills_and_reconnects_at_random_agree_with_the_truth(
    fragile: Several, report: Report, eventually: Eventually
) -> None:
    await live_through(fragile, report, eventually, 6.0, 1)


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [2, 3])
async def test_minutes_of_kills_and_reconnects_agree_with_the_truth(
    fragile: Several, report: Report, eventually: Eventually, seed: int
) -> None:
    await live_through(fragile, report, eventually, 180.0, seed)


def test_the_same_key_at_two_servers_makes_one_job(several: Several) -> None:
    first, second = several.begin(2)
    order = {"name": "a.csv", "path": "/elsewhere/a.csv"}

    def make(server: Process, key: int) -> tuple[int, Json]:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(server.url).port, timeout=30)
        headers = {"Authorization": f"token {server.token}", "Idempotency-Key": f'"{key}"'}
        path = f"{urlsplit(server.url).path}api/jobs"
        with closing(connection):
            connection.request("POST", path, json.dumps(order), headers)
            answer = connection.getresponse()
            return answer.status, json.load(answer)

    for key in range(20):
        there = make(first, key)
        assert there[0] == 201
        assert make(second, key) == there
    with ThreadPoolExecutor(2) as threads:
        for key in range(20, 40):
            answers = [*threads.map(make, (first, second), (key, key))]
            assert {status for status, _ in answers} == {201}
            assert len({record["taskId"] for _, record in answers}) == 1
    for server in (first, second):
        assert len(server.request("api/jobs")) == 40
