"""Many jobs are forgotten at once, with what they take of the disk if that is asked for."""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_server.auth import Authorizer

from jupyter_server_ext.http.access import JobResource
from progresswidget.export import plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Server

    from progresswidget.protocol import Json

    Report = Callable[..., Json]

A, B, C, D = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
JOURNAL = b'{"journal": 1}\n'


async def clear(server: Server, query: str = "") -> Json:
    response = await server.fetch(f"api/jobs?{query}", method="DELETE")
    assert response.code == 200, response.body
    answer: Json = json.loads(response.body)
    return answer


async def disk(server: Server) -> Json:
    server.services.disk._until = 0.0  # look anew
    answer: Json = json.loads((await server.fetch("api/health")).body)["disk"]
    return answer


def leave(root: Path, name: str, size: int = 50) -> list[Path]:
    """Leave what a killed export leaves of a file, and return it."""
    part, journal = root / f".{name}.0a1b2c3d.part", root / f".{name}.journal"
    part.write_bytes(b"x" * size)
    journal.write_bytes(JOURNAL)
    return [part, journal]


async def fail(server: Server, report: Report, path: Path, task_id: str, **more: Any) -> None:
    values = {"status": "failed", "name": path.name, "path": str(path), **more}
    await server.reported(report(task_id, **values))


async def test_those_that_fit_are_forgotten_and_pages_hear_of_each(
    server: Server, report: Report
) -> None:
    for task_id, status in ((A, "failed"), (B, "cancelled"), (C, "running"), (D, "failed")):
        await server.reported(report(task_id, status=status))
    await server.services.registry.locate(D, "other.ipynb")
    page = await server.connect()
    await page.read_message()
    await page.write_message('{"type": "subscribe", "id": 1, "data": {"all": true}}')
    for _ in range(5):
        await page.read_message()
    answer = await clear(server, "status=failed&notebook=other.ipynb")
    assert answer == {"removed": [D], "refused": [], "freed": 0}
    answer = await clear(server)
    assert {*answer["removed"]} == {A, B}
    gone = [json.loads(str(await page.read_message())) for _ in range(3)]
    assert {message["data"]["taskId"] for message in gone} == {A, B, D}
    assert {message["type"] for message in gone} == {"task_removed"}
    assert list(server.services.registry.jobs) == [C]


async def test_a_running_job_is_never_forgotten(server: Server, report: Report) -> None:
    await server.reported(report(A))
    for query in ("status=nonsense", "files=some"):
        response = await server.fetch(f"api/jobs?{query}", method="DELETE")
        assert (response.code, json.loads(response.body)["code"]) == (400, "malformed")
    for query in ("", "status=running", "status=failed,running"):
        assert await clear(server, query) == {"removed": [], "refused": [], "freed": 0}


async def test_files_stay_unless_they_are_asked_for(
    server: Server, report: Report, root: Path
) -> None:
    done, broken = root / "done.csv", root / "broken.csv"
    done.write_bytes(b"x" * 1000)
    await server.publish(done, taskId=A)
    await fail(server, report, broken, B)
    rests = leave(root, "broken.csv")
    size = 50 + len(JOURNAL)
    before = await disk(server)
    assert (before["files"], before["leftovers"], before["uploads"]) == (1000, size, 0)
    assert before["state"] > 0
    assert (await clear(server))["freed"] == 0
    assert done.exists()
    assert all(rest.exists() for rest in rests)

    await fail(server, report, broken, C)
    await server.publish(done, taskId=D)
    assert (await clear(server, "files=leftovers"))["freed"] == size
    assert done.exists()
    assert not any(rest.exists() for rest in rests)

    await server.publish(done, taskId=A)
    assert (await clear(server, "files=all"))["freed"] == 1000
    assert not done.exists()
    assert (await disk(server))["files"] == 0


async def test_what_is_plain_of_a_database_counts_and_goes(
    server: Server, report: Report, root: Path
) -> None:
    path = root / "a.db.age"
    await fail(server, report, path, A)
    rests, left = leave(root, path.name), plain.create_plain(path)
    os.write(left.descriptor, b"x" * 1000)
    (left.folder / "plain.wal").write_bytes(b"x" * 24)
    (left.folder / "plain.tmp").mkdir()
    (left.folder / "plain.tmp" / "spilled").write_bytes(b"x" * 100)
    os.close(left.descriptor)
    size = 50 + len(JOURNAL) + 1124
    assert (await disk(server))["leftovers"] == size
    assert (await clear(server, "files=leftovers"))["freed"] == size
    assert not any(rest.exists() for rest in (*rests, left.folder))


async def test_what_was_changed_or_is_in_use_or_lies_elsewhere_stays(
    server: Server, report: Report, root: Path, tmp_path: Path
) -> None:
    changed, outside, linked = root / "changed.csv", tmp_path / "outside.csv", root / "link"
    for number, path in enumerate((changed, outside)):
        path.write_bytes(b"x" * 10)
        await server.publish(path, taskId=str(number) * 32)
    changed.write_bytes(b"somebody's own")
    (tmp_path / "far").mkdir()
    linked.symlink_to(tmp_path / "far")
    kept = [*leave(tmp_path / "far", "a.csv"), *leave(tmp_path, "outside.csv")]
    await fail(server, report, linked / "a.csv", A)
    await fail(server, report, tmp_path / "outside.csv", B)
    busy, running = leave(root, "busy.csv"), leave(root, "running.csv")
    await fail(server, report, root / "busy.csv", C)
    await fail(server, report, root / "running.csv", D)
    again = report("e" * 32, name="running.csv", path=str(root / "running.csv"))
    await server.reported(again)
    with busy[1].open("rb") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        answer = await clear(server, "files=all")
    assert answer["freed"] == 0
    assert len(answer["removed"]) == 6
    assert all(path.exists() for path in (*kept, *busy, *running, changed, outside))


async def test_what_another_job_goes_on_with_stays(
    server: Server, report: Report, root: Path
) -> None:
    path, link = root / "data" / "a.csv", root / "link"
    path.parent.mkdir()
    link.symlink_to(path.parent)
    rests = leave(path.parent, path.name)
    await fail(server, report, path, A)
    await fail(server, report, link / path.name, B)
    await server.services.registry.locate(A, "mine.ipynb")
    answer = await clear(server, "files=leftovers&notebook=mine.ipynb")
    assert answer == {"removed": [A], "refused": [], "freed": 0}
    assert all(rest.exists() for rest in rests)
    assert (await clear(server, "files=leftovers"))["freed"] == 50 + len(JOURNAL)
    assert not any(rest.exists() for rest in rests)


class Guarded(Authorizer):
    """Shows what lies in two notebooks, and lets change what lies in one; no files."""

    def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
        if isinstance(resource, JobResource):
            shown = {"mine.ipynb"} if action == "write" else {"mine.ipynb", "shown.ipynb"}
            return resource.notebook in shown
        return resource != "contents"


async def test_each_job_is_asked_for(server: Server, report: Report) -> None:
    for task_id, path in ((A, "mine.ipynb"), (B, "shown.ipynb"), (C, "hidden.ipynb")):
        await server.reported(report(task_id, status="failed"))
        await server.services.registry.locate(task_id, path)
    server.app.web_app.settings["authorizer"] = Guarded()
    for files in ("all", "leftovers"):
        response = await server.fetch(f"api/jobs?files={files}", method="DELETE")
        assert (response.code, json.loads(response.body)["code"]) == (403, "forbidden")
    assert await clear(server) == {"removed": [A], "refused": [B], "freed": 0}
    assert set(server.services.registry.jobs) == {B, C}


@pytest.mark.parametrize("settings", [{"store": "memory"}])
async def test_a_link_to_a_forgotten_job_opens_nothing(server: Server, root: Path) -> None:
    path = root / "a.csv"
    path.write_bytes(b"x")
    await server.publish(path, taskId=A)
    body = json.dumps({"seconds": 60})
    made = await server.fetch(f"api/jobs/{A}/links", method="POST", body=body)
    url = json.loads(made.body)["url"]
    assert (await server.fetch(url, token=False)).code == 200
    await clear(server)
    assert (await server.fetch(url, token=False)).code == 404
