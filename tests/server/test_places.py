"""Where a file goes whose kernel has another disk, and what the server sees of a kernel's own."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_server_ext import endpoint
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.probes import sees
from jupyter_server_ext.uploads.places import below, place
from progresswidget.protocol import MalformedError, Probe, decode_place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Server
    from tornado.httpclient import HTTPResponse

    from progresswidget.protocol import Json

    Report = Callable[..., Json]

NONCE = b"n" * 32
PROBE = Probe(".a.csv.0123abcd.part", hashlib.sha256(NONCE).hexdigest())


@pytest.mark.parametrize(
    ("notebook", "relative", "expected"),
    [
        ("work/a.ipynb", "sales.csv", ("work", "sales.csv")),
        ("work/a.ipynb", "out/sales.csv", ("work", "out", "sales.csv")),
        ("a.ipynb", "sales.csv", ("sales.csv",)),
        (None, "out/sales.csv", ("out", "sales.csv")),
        ("work/a.ipynb", "/data/sales.csv", ("work", "sales.csv")),
        ("work/a.ipynb", "../other/sales.csv", ("work", "sales.csv")),
        ("work/a.ipynb", "out/../../../sales.csv", ("work", "sales.csv")),
        ("/study/a.ipynb", "./out//sales.csv", ("study", "out", "sales.csv")),
    ],
)
def test_the_place(notebook: str | None, relative: str, expected: tuple[str, ...]) -> None:
    assert place(notebook, relative, hidden=False) == expected


@given(st.text(max_size=30), st.booleans())
def test_no_place_is_outside_the_root(relative: str, hidden: bool) -> None:  # noqa: FBT001
    try:
        parts = place("work/a.ipynb", relative, hidden=hidden)
    except ApiError:
        return
    assert parts[0] == "work"
    assert not {"", ".", ".."} & set(parts)
    assert not any("/" in part or "\0" in part for part in parts)


# --- The handler ----------------------------------------------------------------------------------


async def ask(server: Server, task_id: str, *, secret: str | None = None, **body: Any) -> Any:
    scheme = f"Kernel {server.services.secret if secret is None else secret}"
    return await server.fetch(
        f"api/jobs/{task_id}/place",
        token=False,
        method="PUT",
        headers={"Authorization": scheme},
        body=json.dumps(body),
    )


def answer(response: HTTPResponse) -> Json:
    assert response.code == 200, response.body
    found: Json = json.loads(response.body)
    return found


async def begin(server: Server, report: Report) -> str:
    body = report(path="/elsewhere/flights.csv")
    await server.reported(body)
    return str(body["taskId"])


async def test_the_folders_of_the_place_are_made(
    server: Server, report: Report, root: Path
) -> None:
    task_id = await begin(server, report)
    told = answer(await ask(server, task_id, relative="out/2013/flights.csv"))
    assert told == {"path": "out/2013/flights.csv", "there": False}
    assert (root / "out" / "2013").is_dir()
    assert answer(await ask(server, task_id, relative="out/2013/flights.csv")) == told


async def test_a_file_that_is_there_becomes_that_of_the_job(
    server: Server, report: Report, report_of: Report, root: Path, tmp_path: Path
) -> None:
    task_id, content = await begin(server, report), b"a,b\n1,2\n"
    own, sent = tmp_path / "flights.csv", root / "flights.csv"
    own.write_bytes(content)
    sent.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    known = {"relative": "flights.csv", "path": "flights.csv", "size": len(content)}
    assert not answer(await ask(server, task_id, **known, sha256="0" * 64))["there"]
    assert not answer(await ask(server, task_id, **(known | {"size": 1}), sha256=digest))["there"]
    assert answer(await ask(server, task_id, **known, sha256=digest))["there"]
    await server.reported(report_of(own, taskId=task_id))
    record = await server.job(task_id)
    assert record["path"] == str(sent)
    assert (await server.fetch(record["url"])).body == content
    sent.chmod(0o600)  # noted as the same bytes, as with any file
    assert (await server.fetch(record["url"])).body == content
    own.unlink()
    assert (await server.fetch(record["url"])).body == content


async def test_the_place_is_remembered(
    server: Server, report: Report, report_of: Report, root: Path
) -> None:
    task_id, path = await begin(server, report), root / "flights.csv"
    path.write_bytes(b"x")
    digest = hashlib.sha256(b"x").hexdigest()
    await ask(server, task_id, relative="flights.csv", path="flights.csv", sha256=digest, size=1)
    job = server.services.registry.get(task_id)
    assert job.placed is not None
    assert type(job).from_json(json.loads(json.dumps(job.to_json()))) == job


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, 400),
        ({"relative": 7}, 400),
        ({"relative": "a.csv", "sha256": "x"}, 400),
        ({"relative": "a.csv", "size": -1}, 400),
        ({"relative": "x" * 5000}, 400),
        ({"relative": ".hidden/a.csv"}, 403),
        ({"relative": "a\u202e.csv"}, 400),
        ({"relative": ""}, 400),
    ],
    ids=str,
)
async def test_what_is_refused(
    server: Server, report: Report, body: dict[str, Any], code: int
) -> None:
    response = await ask(server, await begin(server, report), **body)
    assert response.code == code, response.body
    assert set(json.loads(response.body)) == {"code", "message", "hint"}


async def test_only_kernels_ask(server: Server, report: Report) -> None:
    task_id = await begin(server, report)
    assert (await ask(server, task_id, secret="wrong", relative="a.csv")).code == 403
    body = json.dumps({"relative": "a.csv"})
    asked = await server.fetch(f"api/jobs/{task_id}/place", method="PUT", body=body)
    assert asked.code == 401
    assert (await ask(server, "f" * 32, relative="a.csv")).code == 404


@pytest.mark.parametrize("path", ["../secret", "link/secret", "/etc/passwd", "a/../../secret"])
async def test_nothing_outside_becomes_the_file_of_a_job(
    server: Server, report: Report, root: Path, tmp_path: Path, path: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"s")
    (root.parent / "secret").write_bytes(b"s")
    (root / "link").symlink_to(outside)
    digest = hashlib.sha256(b"s").hexdigest()
    task_id = await begin(server, report)
    response = await ask(server, task_id, relative="a", path=path, sha256=digest, size=1)
    assert not answer(response)["there"]


async def test_folders_are_not_made_through_a_link(
    server: Server, report: Report, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "link").symlink_to(outside)
    response = await ask(server, await begin(server, report), relative="link/new/a.csv")
    assert response.code == 403
    assert not list(outside.iterdir())


# --- Probes ---------------------------------------------------------------------------------------


def test_a_probe_is_seen_where_it_is(tmp_path: Path) -> None:
    path = str(tmp_path / "a.csv")
    assert not sees(path, PROBE)
    (tmp_path / PROBE.name).write_bytes(NONCE)
    assert sees(path, PROBE)
    assert not sees(path, Probe(PROBE.name, "0" * 64))
    assert not sees("/a\0b/a.csv", PROBE)


@pytest.mark.parametrize("kind", ["link", "folder", "fifo"])
def test_what_is_no_file_is_no_probe(tmp_path: Path, kind: str) -> None:
    (tmp_path / "real").write_bytes(NONCE)
    place = tmp_path / PROBE.name
    if kind == "link":
        place.symlink_to(tmp_path / "real")
    elif kind == "folder":
        place.mkdir()
    else:
        os.mkfifo(place)
    assert not sees(str(tmp_path / "a.csv"), PROBE)


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_report_is_told_whether_the_disk_is_shared(
    server: Server,
    report: Report,
    tmp_path: Path,
    is_there: bool,  # noqa: FBT001
) -> None:
    if is_there:
        (tmp_path / PROBE.name).write_bytes(NONCE)
    body = report(name="a.csv", path=str(tmp_path / "a.csv"), probe=PROBE.to_json())
    reply = await server.reported(body)
    assert reply["shared"] is is_there
    assert "probe" not in await server.job(body["taskId"])
    assert "probe" not in server.services.registry.get(body["taskId"]).report


@pytest.mark.parametrize(
    "probe",
    [
        {"name": PROBE.name},
        {"name": "../x", "sha256": "0" * 64},
        {"name": "passwd", "sha256": "0" * 64},
        {"name": PROBE.name, "sha256": "x"},
        "text",
    ],
    ids=str,
)
async def test_other_probes_are_malformed(server: Server, report: Report, probe: object) -> None:
    response = await server.report(report(name="a.csv", path="/tmp/a.csv", probe=probe))
    assert response.code == 400


@given(st.binary(max_size=200))
def test_noise_is_no_place(noise: bytes) -> None:
    with pytest.raises(MalformedError):
        decode_place(noise)


# --- The secret of kernels behind a gateway -------------------------------------------------------


def test_the_secret_lasts_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    first = endpoint.lasting_secret(path)
    assert len(first) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert endpoint.lasting_secret(path) == first
    path.write_bytes(b"\xff")
    assert endpoint.lasting_secret(path) != first


@pytest.mark.parametrize(
    ("path", "hidden", "expected"),
    [
        ("/srv/data/sales.csv", False, "sales.csv"),
        ("/srv/data/out/十一月, 100%.csv", False, "out/十一月, 100%.csv"),
        ("/mnt/data/out/sales.csv", False, "out/sales.csv"),
        ("/srv/dataless/sales.csv", False, None),
        ("/srv/data", False, None),
        ("/srv/data/../etc/passwd", False, None),
        ("/srv/data/.cache/sales.csv", False, None),
        ("/srv/data/.cache/sales.csv", True, ".cache/sales.csv"),
        ("C:\\Users\\alice\\sales.csv", False, None),
    ],
)
def test_the_file_browser_shows_what_is_below_the_root(
    path: str,
    hidden: bool,  # noqa: FBT001
    expected: str | None,
) -> None:
    assert below(path, ("/srv/data", "/mnt/data/"), hidden=hidden) == expected


def test_nothing_is_below_no_root() -> None:
    assert below("/sales.csv", ("",), hidden=True) is None
    assert below("/sales.csv", ("/",), hidden=True) == "sales.csv"


async def test_browsers_are_told_where_the_file_is(server: Server, report: Report) -> None:
    paths = {"a" * 32: f"{server.app.root_dir}/out/a.csv", "b" * 32: "/elsewhere/a.csv"}
    for task, path in paths.items():
        await server.reported(report(task, path=path, name="a.csv"))
    assert (await server.job("a" * 32))["contents"] == "out/a.csv"
    assert (await server.job("b" * 32))["contents"] is None
