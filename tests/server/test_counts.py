"""What workers without the kernel's disk count for a job: by whom, how often, and who hears it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.jobs.counts import MOST_JOBS, MOST_WORKERS, UNTOLD, Count, Counts

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Server

    from progresswidget.protocol import Json

    Report = Callable[..., Json]


def test_the_newest_count_of_each_worker_is_known() -> None:
    counts = Counts()
    counts.put("job", "1-a", Count(3, used=True, heard=10))
    counts.put("job", "1-b", Count(4.5, used=False, heard=11))
    counts.put("job", "1-a", Count(7, used=True, heard=12))
    assert counts.of("job", 15) == [
        {"worker": "1-a", "steps": 7, "used": True, "silent": 3},
        {"worker": "1-b", "steps": 4.5, "used": False, "silent": 4},
    ]
    assert counts.of("other", 15) == []
    counts.forget("job")
    assert counts.of("job", 15) == []


def test_there_is_an_end_to_workers_and_to_jobs() -> None:
    counts, count = Counts(), Count(1, used=True, heard=0)
    for number in range(MOST_WORKERS):
        counts.put("job", str(number), count)
    counts.put("job", "0", count)
    with pytest.raises(ApiError, match="1000 workers"):
        counts.put("job", "one more", count)
    for number in range(MOST_JOBS - 1):
        counts.put(f"job {number}", "a", count)
    counts.put("job", "0", count)
    counts.put("one more", "a", count)
    assert counts.of("job 0", 0) == []
    assert len(counts.of("job", 0)) == MOST_WORKERS, "it counts on"
    assert len(counts.of("job 1", 0)) == 1
    counts.keep({"job", "one more"}.__contains__, now=0)
    assert counts.of("job 1", 0) == []
    assert len(counts.of("one more", 0)) == 1


def test_a_job_that_nobody_has_told_of_is_waited_for_for_a_while() -> None:
    counts = Counts()
    for worker, heard in enumerate((10, 30)):
        counts.put("job", str(worker), Count(1, used=True, heard=heard))
    for now, kept in ((30, 2), (29 + UNTOLD, 2), (30 + UNTOLD, 0)):
        counts.keep({}.get, now)
        assert len(counts.of("job", 0)) == kept


# --- The handlers ---------------------------------------------------------------------------------


async def ask(server: Server, method: str, path: str, authorization: str, body: str = "") -> Any:
    headers = {"Authorization": authorization}
    return await server.fetch(path, token=False, method=method, headers=headers, body=body)


async def test_a_worker_counts_with_what_the_kernel_was_given(
    server: Server, report: Report
) -> None:
    body, other = report(), report()
    kernel = f"Kernel {server.services.secret}"
    place = f"api/jobs/{body['taskId']}/counts"
    given = await ask(server, "POST", place, kernel)
    assert given.headers["Cache-Control"] == "no-store"
    job = f"Job {json.loads(given.body)['capability']}"
    count = json.dumps({"steps": 12, "used": True})
    # It is given, and counted with, before the job is told of: a worker may be as quick as that.
    for _ in range(2):
        assert (await ask(server, "PUT", f"{place}/1-a", job, count)).code == 204
        await server.extension._tidying.round()
    for revision in (1, 2):
        (heard,) = (await server.reported(body | {"revision": revision}))["workers"]
        assert heard.pop("silent") >= 0
        assert heard == {"worker": "1-a", "steps": 12, "used": True}
    assert "workers" not in await server.reported(other)
    assert "workers" not in await server.reported(other | {"revision": 2})
    # It opens no other job, lets say nothing else of this one, and is no secret of kernels.
    told = json.dumps(body | {"revision": 3, "status": "done"})
    refused = await ask(server, "PUT", f"api/jobs/{body['taskId']}", job, told)
    assert (refused.code, json.loads(refused.body)["code"]) == (403, "capability-wrong")
    elsewhere = f"api/jobs/{other['taskId']}/counts"
    assert (await ask(server, "PUT", f"{elsewhere}/1-a", job, count)).code == 403
    assert (await ask(server, "POST", place, job)).code == 401
    assert (await ask(server, "PUT", f"{place}/1-a", "Job wrong", count)).code == 403
    await server.reported(body | {"revision": 3, "status": "cancelled"})
    assert (await ask(server, "PUT", f"{place}/1-a", job, count)).code == 409
    assert server.services.counts.of(body["taskId"], 0) == []


async def test_of_a_job_whose_kernel_was_killed_nothing_is_kept(
    server: Server, report: Report
) -> None:
    dead, alive = report(), report()
    kernel, count = f"Kernel {server.services.secret}", json.dumps({"steps": 12, "used": True})
    for body in (dead, alive):
        await server.reported(body)
        place = f"api/jobs/{body['taskId']}/counts/1-a"
        assert (await ask(server, "PUT", place, kernel, count)).code == 204
    await server.services.registry.interrupt(dead["taskId"], "kernel-killed")
    await server.extension._tidying.round()
    counts = server.services.counts
    assert counts.of(dead["taskId"], 0) == []
    assert len(counts.of(alive["taskId"], 0)) == 1


@pytest.mark.parametrize(
    ("worker", "body"),
    [
        ("1-a", {}),
        ("1-a", {"steps": "12", "used": True}),
        ("1-a", {"steps": 12}),
        ("1-a", {"steps": 12, "used": 1}),
        ("1-a", {"steps": 1e300, "used": True}),
        ("x" * 65, {"steps": 12, "used": True}),
        ("a.b", {"steps": 12, "used": True}),
    ],
)
async def test_what_is_no_count_is_refused(
    server: Server, report: Report, worker: str, body: Json
) -> None:
    told = report()
    await server.reported(told)
    place = f"api/jobs/{told['taskId']}/counts/{worker}"
    kernel = f"Kernel {server.services.secret}"
    assert (await ask(server, "PUT", place, kernel, json.dumps(body))).code == 400
    assert server.services.counts.of(told["taskId"], 0) == []
