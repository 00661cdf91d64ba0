"""What Prometheus is told: by the server's own address, and in the words of Prometheus."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from reports import make_report

from jupyter_server_ext.extension import ProgressExtension
from jupyter_server_ext.monitoring import metrics
from jupyter_server_ext.tally import Histogram

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from conftest import Server
    from prometheus_client.metrics_core import Metric

PREFIX = "progresswidget_"
TOKEN = "5ECRETt0ken"
UNITS = ("_total", "_seconds", "_bytes", "_info")
UNITLESS = {
    "progresswidget_jobs",
    "progresswidget_conversions",
    "progresswidget_transfers_active",
    "progresswidget_uploads_unfinished",
    "progresswidget_links_open",
    "progresswidget_websocket_connections",
    "progresswidget_subscriptions",
    "progresswidget_store_degraded",
    "progresswidget_redis_up",
}
"""Gauges of things that are counted or are so or not."""


async def scraped(server: Server) -> dict[str, Metric]:
    """Read ``/metrics`` as Prometheus does, and return what is ours."""
    response = await server.fetch("/user/alice/metrics")
    assert response.code == 200
    families = text_string_to_metric_families(response.body.decode())
    return {one.name: one for one in families if one.name.startswith(PREFIX)}


async def value(server: Server, name: str, **labels: str) -> float | None:
    """Return one sample."""
    for family in (await scraped(server)).values():
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


async def test_whoever_is_not_signed_in_sees_none(server: Server) -> None:
    assert (await server.fetch("/user/alice/metrics", token=False)).code == 403


async def test_every_family_is_there_with_its_help_and_type(server: Server) -> None:
    found = await scraped(server)
    for family in metrics.FAMILIES:
        if family.name.startswith("progresswidget_redis_"):
            continue  # only where there is one
        name = family.name.removesuffix("_total")
        assert found[name].type == family.type, family.name
        assert found[name].documentation == family.help
        assert found[name].samples, f"{family.name} has a line also where nothing happened"


def test_names_and_units_are_prometheus_own() -> None:
    names = [family.name for family in metrics.FAMILIES]
    assert len(set(names)) == len(names)
    for family in metrics.FAMILIES:
        assert re.fullmatch(r"progresswidget(_[a-z]+)+", family.name)
        assert family.name.endswith(UNITS) or family.name in UNITLESS, family.name
        assert family.name.endswith("_total") == (family.type == "counter"), family.name
        assert family.help.endswith(".")


async def test_jobs_are_counted_by_state_and_never_named(server: Server) -> None:
    many = [make_report(name=f"secret-{n}.csv") for n in range(3)]
    for report in many:
        await server.reported(report)
    await server.reported(many[0] | {"revision": 2, "status": "failed"})
    odd = make_report(kind="a kind of its own")
    await server.reported(odd)
    name = "progresswidget_jobs"
    assert await value(server, name, status="running", kind="export") == 2
    assert await value(server, name, status="failed", kind="export") == 1
    assert await value(server, name, status="running", kind="other") == 1
    assert await value(server, name, status="done", kind="export") == 0
    text = (await server.fetch("/user/alice/metrics")).body.decode()
    ours = "".join(line for line in text.splitlines() if PREFIX in line)
    for private in ("secret-", odd["taskId"], many[0]["taskId"], "a kind of its own", "token"):
        assert private not in ours


async def test_events_and_reports_count_up(server: Server) -> None:
    report = make_report()
    await server.reported(report)
    await server.reported(report | {"revision": 2, "rows": 7})
    assert (await server.report(report | {"rows": -1})).code == 400
    assert (await server.report(report, secret="wr0ng")).code == 403
    await server.reported(report | {"revision": 3, "status": "cancelled"})
    assert (await server.report(report | {"revision": 4})).code == 409
    name = "progresswidget_reports_total"
    assert await value(server, name, result="taken") == 3
    assert await value(server, name, result="malformed") == 1
    assert await value(server, name, result="kernel-secret-wrong") == 1
    assert await value(server, name, result="illegal-transition") == 1
    name = "progresswidget_job_events_total"
    for event in ("created", "started", "cancelled"):
        assert await value(server, name, event=event, kind="export") == 1
    assert await value(server, name, event="done", kind="export") == 0


async def test_bytes_out_and_in_are_those_that_moved(server: Server, root: Path) -> None:
    path = root / "a.csv"
    path.write_bytes(bytes(300_000))
    record = await server.publish(path)
    assert len((await server.fetch(record["url"])).body) == 300_000
    await server.fetch(record["url"], headers={"Range": "bytes=100-199"})
    name = "progresswidget_transferred_bytes_total"
    assert await value(server, name, direction="download") == 300_100

    tus = {"Tus-Resumable": "1.0.0"}
    made = await server.fetch(
        "uploads/",
        method="POST",
        headers=tus | {"Upload-Length": "1000", "Upload-Metadata": "filename Yi5jc3Y="},
        body="",
    )
    assert made.code == 201, made.body
    where = "uploads/" + made.headers["Location"]
    for offset, length in ((0, 400), (400, 600)):
        fields = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        if offset:
            assert await value(server, "progresswidget_uploads_unfinished") == 1
            assert await value(server, "progresswidget_uploads_staged_bytes") == 400
        done = await server.fetch(where, method="PATCH", headers=tus | fields, body=bytes(length))
        assert done.code == 204, done.body
    assert await value(server, name, direction="upload") == 1000, "nothing is counted twice"
    assert await value(server, "progresswidget_uploads_unfinished") == 0
    name = "progresswidget_transfer_events_total"
    for event, direction, times in (
        ("begun", "upload", 1),
        ("completed", "upload", 1),
        ("cut", "upload", 0),
        ("completed", "download", 1),  # a piece of what is there already is no whole file
        ("cut", "download", 0),
    ):
        assert await value(server, name, event=event, direction=direction) == times, event


async def test_pages_and_subscriptions_are_counted(
    server: Server, eventually: Callable[..., Awaitable[Any]]
) -> None:
    report = make_report()
    await server.reported(report)
    page = await server.connect()
    await page.read_message()
    task = {"taskId": report["taskId"]}
    await page.write_message(json.dumps({"type": "subscribe", "id": 1, "data": {"tasks": [task]}}))
    await page.read_message()
    assert await value(server, "progresswidget_websocket_connections") == 1
    assert await value(server, "progresswidget_subscriptions") == 1
    await page.write_message("no JSON at all")
    while await page.read_message() is not None:
        pass

    async def gone() -> bool:
        return await value(server, "progresswidget_websocket_connections") == 0

    await eventually(gone)
    assert await value(server, "progresswidget_subscriptions") == 0
    assert await value(server, "progresswidget_websocket_closes_total", reason="malformed") == 1


async def test_a_delivery_is_timed_from_the_change_to_the_socket(server: Server) -> None:
    report = make_report()
    await server.reported(report)
    page = await server.connect()
    task = {"taskId": report["taskId"]}
    await page.write_message(json.dumps({"type": "subscribe", "id": 1, "data": {"tasks": [task]}}))
    name = "progresswidget_delivery_latency_seconds"
    told = [await page.read_message() for _ in range(2)]
    assert await value(server, f"{name}_count") == 0, "an answer is no delivery"
    for revision in range(2, 12):
        await server.reported(report | {"revision": revision, "generation": revision})
        told.append(await page.read_message())
    assert None not in told
    assert await value(server, f"{name}_count") == 10
    assert await value(server, f"{name}_bucket", le="+Inf") == 10
    total = await value(server, f"{name}_sum")
    assert total is not None
    assert 0 < total < 1


async def test_a_page_that_does_not_read_is_timed_when_its_socket_takes_it(
    server: Server, eventually: Callable[..., Awaitable[Any]]
) -> None:
    report = make_report(name="n" * 200)
    await server.reported(report)
    page = Reader(server)
    await page.subscribe(report["taskId"])
    hub, record = server.services.hub, await server.job(report["taskId"])
    for number in range(100_000):
        hub.publish(report["taskId"], record | {"rows": number}, urgent=True)
        if hub.held_up > 100:
            break
    pushed = number + 1
    at_once = sum(hub.delivery.counts)
    assert 0 < at_once < pushed, "whoever is held up has nothing"
    begun = asyncio.get_running_loop().time()
    await eventually(lambda: asyncio.get_running_loop().time() > begun + 0.3)
    page.resume()
    await eventually(lambda: sum(hub.delivery.counts) > at_once)
    bound = hub.delivery.bounds.index(0.25)
    assert sum(hub.delivery.counts[bound + 1 :]) == 1, "it has waited for a third of a second"
    page.close()


class Reader(asyncio.Protocol):
    """A page that stops to read when it has its answer."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._subscribed = asyncio.Event()

    async def subscribe(self, task_id: str) -> None:
        """Follow a job, and read no more."""
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self._server.port)
        self._transport = transport
        lines = [
            "GET /user/alice/progresswidget/ws HTTP/1.1",
            "Host: 127.0.0.1",
            f"Authorization: token {TOKEN}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Protocol: v1.progress",
        ]
        data = {"tasks": [{"taskId": task_id}]}
        text = json.dumps({"type": "subscribe", "id": 1, "data": data}).encode()
        # RFC 6455 section 5.3: a mask of zeros is a mask too.
        frame = bytes([0x81, 0x80 | len(text)]) + bytes(4) + text
        transport.write(("\r\n".join(lines) + "\r\n\r\n").encode() + frame)
        await asyncio.wait_for(self._subscribed.wait(), 20)

    def data_received(self, data: bytes) -> None:
        if b'"subscribed"' in data and not self._subscribed.is_set():
            self._transport.pause_reading()
            self._subscribed.set()

    def resume(self) -> None:
        self._transport.resume_reading()

    def close(self) -> None:
        self._transport.close()


async def test_the_store_tells_what_it_is_and_how_long_it_takes(server: Server) -> None:
    await server.reported(make_report(status="failed"))
    labels = {"store": "jobs", "backend": "sqlite", "journal_mode": "wal"}
    assert await value(server, "progresswidget_store_info", **labels) == 1
    assert await value(server, "progresswidget_store_degraded", store="jobs") == 0
    assert await value(server, "progresswidget_store_errors_total", store="jobs") == 0
    assert await value(server, "progresswidget_store_write_seconds_count", store="jobs") == 1


@pytest.mark.parametrize("store", ["memory"])
async def test_several_servers_of_one_process_are_added_up_and_taken_out(
    server: Server, store: str
) -> None:
    await server.reported(make_report())
    labels = {"status": "running", "kind": "export"}
    other = server.services
    metrics.show(other)
    assert await value(server, "progresswidget_jobs", **labels) == 2
    metrics.hide(other)
    metrics.hide(other)
    assert REGISTRY.get_sample_value("progresswidget_jobs", labels) is None
    metrics.show(other)
    assert await value(server, "progresswidget_jobs", **labels) == 1


async def test_a_metric_that_fails_takes_no_other_with_it(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.services.links.count = None  # type: ignore[method-assign,assignment] - a fault of ours
    found = await scraped(server)
    assert "progresswidget_links_open" not in found
    assert "progresswidget_jobs" in found
    (line,) = [entry for entry in caplog.records if entry.getMessage() == "A metric cannot be read"]
    assert line.__dict__["metric"] == "progresswidget_links_open"
    ours = logging.getLogger(line.name).parent
    assert ours is not None
    assert ours.parent is server.extension.log, "and it goes where the server's log goes"


async def test_a_server_that_has_ended_shows_nothing(server: Server) -> None:
    assert await scraped(server)
    extension = server.extension
    assert isinstance(extension, ProgressExtension)
    await asyncio.wait_for(extension.stop_extension(), 30)
    assert not await scraped(server)


def test_a_histogram_counts_what_lies_on_a_bound_below_it() -> None:
    histogram = Histogram((0.1, 1.0))
    for seconds, times in ((0.05, 1), (0.1, 2), (0.5, 3), (7.0, 1)):
        histogram.observe(seconds, times)
    assert histogram.counts == [3, 3, 1]
    assert histogram.total == pytest.approx(0.05 + 0.2 + 1.5 + 7)
    both = histogram + histogram
    assert both.counts == [6, 6, 2]


async def create_upload(server: Server) -> tuple[int, str]:
    fields = {
        "Tus-Resumable": "1.0.0",
        "Upload-Length": "1000",
        "Upload-Metadata": "filename Yi5jc3Y=",
    }
    made = await server.fetch("uploads/", method="POST", headers=fields, body="")
    return made.code, made.headers.get("Location", "")


async def test_uploads_that_are_taken_back_and_a_place_that_fails_are_counted(
    server: Server, eventually: Callable[..., Awaitable[object]]
) -> None:
    code, where = await create_upload(server)
    assert code == 201
    name = "progresswidget_compensations_total"
    assert await value(server, name, what="withdrawn") == 0
    tus = {"Tus-Resumable": "1.0.0"}
    gone = await server.fetch(f"uploads/{where}", method="DELETE", headers=tus)
    assert gone.code == 204
    for what, times in (("withdrawn", 1), ("expired", 0), ("published", 0), ("undone", 0)):
        assert await value(server, name, what=what) == times
    # Something else in the place of the database: uploads go on, and it is made anew later.
    path = server.extension._directory.path / "uploads.sqlite"
    for each in path.parent.glob("uploads.sqlite*"):
        each.unlink()
    path.mkdir()
    assert (await create_upload(server))[0] == 201

    async def fails(times: float) -> bool:
        return await value(server, "progresswidget_store_degraded", store="uploads") == times

    await eventually(partial(fails, 1))
    assert await value(server, "progresswidget_store_errors_total", store="uploads") >= 1
    path.rmdir()
    await eventually(partial(fails, 0))
    assert path.is_file()


async def test_what_kernels_have_undone_is_counted_as_often_as_it_was(server: Server) -> None:
    delivery = make_report(kind="upload", undone=1)
    for revision, undone in ((1, 1), (1, 1), (2, 1), (3, 2)):
        report = delivery | {"revision": revision, "undone": undone}
        assert (await server.report(report)).code == 200
    assert await value(server, "progresswidget_compensations_total", what="undone") == 2
    seen = await server.fetch(f"api/jobs/{delivery['taskId']}")
    assert "undone" not in json.loads(seen.body), "it is for whoever runs the server"
