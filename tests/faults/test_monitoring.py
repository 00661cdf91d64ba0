"""What is seen from outside: a real Prometheus, our dashboard, and our rules."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import programs
import pytest
from laboratory import eventually, make_report
from monitoring import RULES, Prometheus, dashboard, targets
from page import Page
from redis_server import RedisServer
from uploading import Uploader

from jupyter_server_ext.monitoring.metrics import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from laboratory import Server

    from progresswidget.protocol import Json

METRIC = re.compile(r"progresswidget_[a-z_]+")
NOT_SHOWN: set[str] = set()
"""Metrics that are deliberately not on the dashboard."""
PANELS = {"row", "stat", "table", "timeseries"}
# https://grafana.com/docs/grafana/latest/panels-visualizations/: the ids of units that we use
UNITS = {"short", "ops", "reqps", "Bps", "bytes", "s"}


def sample_names() -> dict[str, str]:
    """Return each name that a sample may have, and the metric that it belongs to."""
    names = {}
    for family in FAMILIES:
        endings = ("_bucket", "_sum", "_count") if family.type == "histogram" else ("",)
        names |= {f"{family.name}{ending}": family.name for ending in endings}
    return names


def used() -> set[str]:
    return {name for _, target in targets() for name in METRIC.findall(target["expr"])}


# --- The dashboard as a file -----------------------------------------------------------------


def test_the_dashboard_shows_every_metric_and_no_other() -> None:
    names = sample_names()
    assert used() <= set(names)
    assert {names[name] for name in used()} == {family.name for family in FAMILIES} - NOT_SHOWN


def test_the_rules_use_metrics_that_exist() -> None:
    assert set(METRIC.findall(RULES.read_text())) <= set(sample_names())


def test_every_panel_has_what_grafana_needs() -> None:
    board = dashboard()
    assert board["schemaVersion"] >= 36
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["type"] in PANELS
        assert panel["title"]
        if panel["type"] == "row":
            assert panel["panels"] == []
            continue
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
        references = [target["refId"] for target in panel["targets"]]
        assert references == sorted(set(references))


def test_a_unit_is_the_one_of_what_is_asked_for() -> None:
    for panel in dashboard()["panels"]:
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit")
        for target in panel.get("targets", ()):
            what = target["expr"]
            rate = "rate(" in what
            if "_bytes" in what:
                assert unit == ("Bps" if rate else "bytes"), panel["title"]
            elif "histogram_quantile" in what:
                assert unit == "s", panel["title"]
            else:
                assert (unit in {"ops", "reqps"}) == rate, panel["title"]


def test_panels_lie_side_by_side_and_on_no_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_data_source_and_the_servers_are_chosen_by_the_viewer() -> None:
    variables = {one["name"]: one for one in dashboard()["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert METRIC.findall(variables["instance"]["query"]["query"]) == ["progresswidget_build_info"]
    for title, target in targets():
        expression = target["expr"]
        assert expression.count('instance=~"$instance"') == len(METRIC.findall(expression)), title


# --- With a real Prometheus --------------------------------------------------------------------

EXPORT = """
import sys, pyarrow as pa, progresswidget as pw
def batches():
    for start in range(0, 40):
        yield pa.record_batch({"n": pa.array(range(start * 5000, start * 5000 + 5000))})
print(pw.export(batches, sys.argv[1]).id)
"""
CONTENT = bytes(2 << 20)
MOMENT = 30


def export(server: Server, name: str) -> str:
    """Export in a process of its own, and return the id of the job."""
    (endpoint,) = server.folder.glob("runtime/progresswidget/*/endpoint.json")
    environment = server._environment() | {"PROGRESSWIDGET_ENDPOINT_FILE": str(endpoint)}
    command = [sys.executable, "-c", EXPORT, str(server.root / name)]
    output = subprocess.check_output(command, env=environment, text=True, timeout=60)
    return output.split()[-1]


def fetch(server: Server, path: str) -> int:
    """Download by curl, and return the number of bytes."""
    header = f"Authorization: token {server.token}"
    command = [programs.path("curl"), "-q", "-sS", "-f", "-H", header, server.url(path)]
    return len(subprocess.check_output(command, timeout=60))


def work(server: Server) -> tuple[int, int]:
    """Do what users do; return the bytes that went out and came in."""
    uploader = Uploader(server)
    upload = uploader.create(len(CONTENT), name="in.bin").headers["Location"]
    assert uploader.patch(upload, 0, CONTENT[: 1 << 20]).status == 204
    server.request("POST", f"api/jobs/{'0' * 32}")
    followed = make_report()
    server.report(followed)
    page = Page(server)
    page.subscribe(followed["taskId"])
    for revision in range(2, 12):
        server.report(followed | {"revision": revision, "rows": revision})
    task_id = export(server, "sales.csv")
    out = fetch(server, server.request("GET", f"api/jobs/{task_id}").json["url"])
    assert uploader.patch(upload, 1 << 20, CONTENT[1 << 20 :]).status == 204
    server.report(followed | {"revision": 20, "status": "failed"})
    assert page.await_type("task_complete")["data"]["status"] == "failed"
    page.write({"type": "nonsense that is malformed"})
    page.close()
    answer = server.request("POST", f"api/jobs/{task_id}/links", body=b'{"seconds": 60}')
    assert answer.status == 201, answer.body
    return out, len(CONTENT)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


def test_a_real_prometheus_shows_all_that_the_dashboard_asks_for(
    own: Callable[..., Server], redis: RedisServer, tmp_path: Path
) -> None:
    settings = {"store_url": redis.url, "push_interval": 0.05}
    server = own(base_url="/user/alice/", settings=settings).start()
    schemes = {"jupyter": "token", "bearer": "Bearer"}
    with Prometheus(tmp_path / "prometheus", server, schemes) as prometheus:
        seen = 'sum(progresswidget_jobs{job="jupyter"})'
        eventually(lambda: prometheus.value(seen) is not None, what="the first scrape")
        out, received = work(server)

        def counted(direction: str) -> float | None:
            name = "progresswidget_transferred_bytes_total"
            return prometheus.value(f'{name}{{job="jupyter",direction="{direction}"}}')

        eventually(lambda: counted("download") == out, what="all that went out")
        eventually(lambda: counted("upload") == received, what="all that came in")
        ended = 'progresswidget_job_events_total{job="jupyter",kind="export",event="done"}'
        assert prometheus.value(ended) == 1
        up = {one["metric"]["job"]: one["value"][1] for one in prometheus.query("up")}
        assert up == {"jupyter": "1", "bearer": "1", "wrong": "0"}
        assert_panels_have_data(prometheus)
        assert len(rules_of(prometheus)) == len(FIRING) == RULES.read_text().count("alert:")
        eventually(lambda: all(rule["health"] == "ok" for rule in rules_of(prometheus)))
        redis.stop()
        up_now = 'progresswidget_redis_up{job="jupyter"}'
        eventually(lambda: prometheus.value(up_now) == 0, what="the loss of Redis is seen")
        waits = "ProgresswidgetRedisDown", "pending"
        eventually(lambda: waits in {(one["name"], one["state"]) for one in rules_of(prometheus)})
        assert server.request("GET", "api/health").json["stores"]["redis"]["degraded"] is True
        redis.start()
        eventually(lambda: prometheus.value(up_now) == 1, what="its return is seen")
        assert prometheus.value('progresswidget_redis_losses_total{job="jupyter"}') == 1
    server.stop()


def rules_of(prometheus: Prometheus) -> list[Json]:
    rules: list[Json] = prometheus.ask("rules")["groups"][0]["rules"]
    return rules


def assert_panels_have_data(prometheus: Prometheus) -> None:
    end = time.time()
    empty = set()
    for title, target in targets():
        expression = target["expr"].replace("$__rate_interval", f"{MOMENT}s")
        expression = expression.replace("$instance", ".*")
        assert "$" not in expression
        lines = prometheus.query_range(expression, MOMENT, end)
        values = [float(value) for line in lines for _, value in line["values"]]
        if not [value for value in values if not math.isnan(value)]:
            empty.add((title, expression))
        # What Grafana shows as a name must be a label that there is.
        for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
            assert all(label in line["metric"] for line in lines), title
    assert empty == set()


def test_prometheus_own_linter_finds_nothing(server: Server) -> None:
    text = server.request("GET", "/metrics").body.decode()
    ours = "".join(
        f"{line}\n" for line in text.splitlines() if METRIC.search(line.split("{", 1)[0])
    )
    checked = subprocess.run(
        [programs.path("promtool"), "check", "metrics"],
        input=ours,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout + checked.stderr == ""


SERIES = {
    'progresswidget_store_degraded{instance="a",store="jobs"}': "0 0 1x38",
    'progresswidget_redis_up{instance="a"}': "1 1 0x38",
    'progresswidget_job_events_total{instance="a",kind="export",event="interrupted"}': "0+1x40",
    'progresswidget_delivery_latency_seconds_bucket{instance="a",le="2.5"}': "0+1x40",
    'progresswidget_delivery_latency_seconds_bucket{instance="a",le="10.0"}': "0+10x40",
    'progresswidget_delivery_latency_seconds_bucket{instance="a",le="+Inf"}': "0+10x40",
}
# alert -> minutes after which it must not fire yet, and must
FIRING = {
    "ProgresswidgetStoreDegraded": (6, 10),
    "ProgresswidgetRedisDown": (6, 10),
    "ProgresswidgetJobsInterrupted": (3, 15),
    "ProgresswidgetSlowDelivery": (9, 30),
}


def test_the_rules_fire_when_they_should(tmp_path: Path) -> None:
    promtool = programs.path("promtool")
    subprocess.run([promtool, "check", "rules", str(RULES)], check=True, capture_output=True)

    def firing(name: str, minutes: int, *, times: int) -> Json:
        expression = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
        samples = [{"labels": "{}", "value": times}] if times else []
        return {"expr": expression, "eval_time": f"{minutes}m", "exp_samples": samples}

    checks = []
    for name, (before, after) in FIRING.items():
        checks += [firing(name, before, times=0), firing(name, after, times=1)]
    series = [{"series": name, "values": values} for name, values in SERIES.items()]
    tests = [{"interval": "1m", "input_series": series, "promql_expr_test": checks}]
    file = tmp_path / "rules_test.json"
    rules = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}
    file.write_text(json.dumps(rules))
    done = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
