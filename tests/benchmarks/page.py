"""Measure what very many bars cost a page of JupyterLab for each update.

Run ``python tests/benchmarks/page.py``. Jobs are reported to a real notebook server by HTTP, as
kernels report them; a real JupyterLab in a real Chromium shows 500 of them in one notebook, each
below a cell of its own, or 2,000 in its panel. Updates come at a pace: of all jobs in turn, of
those in view alone, or, in the panel, of jobs that begin and end.

The browser writes down what its main thread does (the events ``devtools.timeline`` of a trace, as
its own performance panel has them). Of an update that is all script that begins between its message
on the WebSocket and the end of the frame after it, whoever it belongs to; what JupyterLab does of
its own is in it. Beside it is all script of the whole time and all style, layout and painting, for
each update: the clocks of the bars and timers that run between two of them, too. Times are of the
thread's own processor time, which what else a machine does changes less than it does the clock's.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("e2e", "kernel", "server")]

import chromium
import nbformat
from jupyter_process import JupyterProcess
from page_objects import LIMIT, NotebookPage
from panel_page import PanelPage
from playwright.sync_api import sync_playwright
from reports import make_report

from progresswidget.protocol import JOB_MIMETYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from playwright.sync_api import Browser, Page

    from progresswidget.protocol import Json

BARS, ROWS = 500, 2_000
STRIDE = 617
"""Shares no factor with the counts: every job has its turn."""
SETTINGS = {
    # Nothing is held back to be told with what comes next.
    "push_interval": 0.02,
    # Reports of thousands come in turn.
    "kernel_lease": 3600.0,
    "keep_finished": 10_000,
}
CATEGORIES = ["-*", "devtools.timeline", "disabled-by-default-devtools.timeline", "v8.execute"]
SCRIPT = {
    *("FunctionCall", "EvaluateScript", "RunMicrotasks", "FireAnimationFrame", "FireIdleCallback"),
    *("TimerFire", "EventDispatch"),
}
DRAWING = {
    *("UpdateLayoutTree", "Layout", "PrePaint", "Paint", "Layerize", "Commit", "HitTest"),
    "IntersectionObserverController::computeIntersections",
}
MESSAGE, FRAME = "WebSocketReceive", "Commit"


class Jobs:
    """Running exports of this process, and the line on which it reports them."""

    def __init__(self, server: JupyterProcess, count: int) -> None:
        self._server = server
        self._line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._secret = {"Authorization": f"Kernel {server.secret()}"}
        self.reports = [self._new(number) for number in range(count)]
        for report in self.reports:
            self._put(report)

    def advance(self, number: int) -> None:
        """Write some rows of one of them."""
        report = self.reports[number % len(self.reports)]
        rows = report["rows"] + 1_000
        self._change(report, rows=rows, progress=rows / 1e4, elapsed=report["elapsed"] + 0.5)

    def replace(self, number: int) -> None:
        """Begin one, or end the one that was begun before."""
        if number % 2:
            self._change(self.reports.pop(), status="cancelled", ended=_now())
        else:
            self.reports.append(self._new(-number))
            self._put(self.reports[-1])

    def forget(self) -> None:
        """End all of them, and take them off the list."""
        for report in self.reports:
            self._change(report, status="cancelled", ended=_now())
        self._line.close()
        self._server.api("progresswidget/api/jobs", "DELETE")

    def _new(self, number: int) -> Json:
        name = f"{abs(number)}.csv"
        known: Json = {"pid": os.getpid(), "total": 1_000_000, "rows": 0, "progress": 0.0}
        # The first is the newest, and so at the top of the panel.
        return make_report(name=name, path=f"/nowhere/{name}", created=_now() - number, **known)

    def _change(self, report: Json, **changes: Any) -> None:
        report |= {"revision": report["revision"] + 1, **changes}
        self._put(report)

    def _put(self, report: Json) -> None:
        path = f"/progresswidget/api/jobs/{report['taskId']}"
        self._line.request("PUT", path, json.dumps(report), self._secret)
        answer = self._line.getresponse()
        body = answer.read()
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(body.decode())


def _now() -> int:
    return time.time_ns() // 1_000_000


def write_notebook(path: Path, reports: Iterable[Json]) -> None:
    """Save a notebook whose cells were run and show one job each."""
    notebook = nbformat.v4.new_notebook()
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    for number, report in enumerate(reports):
        name = report["name"]
        cell = nbformat.v4.new_code_cell(f"pw.export(frame, {name!r})", execution_count=number + 1)
        cell["id"] = f"cell-{number}"
        data: Json = {JOB_MIMETYPE: {"version": 1, "kind": "export", "name": name}}
        shown = {"taskId": report["taskId"], "server": True, "snapshot": None}
        cell["outputs"] = [
            nbformat.v4.new_output(
                "display_data", data=data | {"text/plain": name}, metadata={JOB_MIMETYPE: shown}
            )
        ]
        notebook.cells.append(cell)
    nbformat.write(notebook, path)


@dataclass(frozen=True)
class Found:
    """What one trace says, in milliseconds of the main thread for each update.

    Parameters
    ----------
    times
        The script of each update and its frame, sorted.
    """

    times: list[float]
    script: float
    drawing: float
    frames: int

    @property
    def late(self) -> float:
        """The 95th percentile."""
        return self.times[len(self.times) * 95 // 100]


def read_trace(trace: bytes, updates: int, pause: float) -> Found:
    """Find the updates in a trace, and what each has cost.

    Parameters
    ----------
    updates
        How many reports were made.
    pause
        Seconds between two of them: a page that has nothing to draw has no frame.

    Raises
    ------
    RuntimeError
        If the page was not told of all of them.
    """
    events = json.loads(trace)["traceEvents"]
    messages = [event for event in events if event["name"] == MESSAGE]
    # An idle kernel says nothing on its own socket, or now and then.
    sockets = collections.Counter(_socket(event) for event in messages)
    socket, told = sockets.most_common(1)[0] if sockets else ((), 0)
    if told < 0.95 * updates:
        raise RuntimeError(f"of {updates} updates the page was told {told}")
    thread = socket[:2]
    own = sorted(
        (event for event in events if (event["pid"], event["tid"]) == thread and "ts" in event),
        key=lambda event: event["ts"],
    )
    script, drawing = _outermost(own, SCRIPT), _outermost(own, DRAWING)
    commits = [event["ts"] + event.get("dur", 0) for event in own if event["name"] == FRAME]
    times = []
    for message in messages:
        if _socket(message) != socket:
            continue
        begin = message["ts"]
        end = next((commit for commit in commits if commit > begin), begin)
        end = max(end, begin + 1e6 * pause) if end == begin else min(end, begin + 1e6 * pause)
        times.append(sum(took for at, took in script if begin <= at < end))
    return Found(
        sorted(times),
        sum(took for _, took in script) / updates,
        sum(took for _, took in drawing) / updates,
        len(commits),
    )


def _socket(event: Any) -> tuple[int, int, int]:
    return event["pid"], event["tid"], event["args"]["data"]["identifier"]


def _outermost(events: Iterable[Any], names: set[str]) -> list[tuple[float, float]]:
    """Return when those began that are in no other of these names, and how long they worked."""
    found, end = [], 0.0
    for event in events:
        if event["name"] in names and "dur" in event and event["ts"] >= end:
            end = event["ts"] + event["dur"]
            found.append((event["ts"], event.get("tdur", event["dur"]) / 1e3))
    return found


def measure(
    browser: Browser, update: Callable[[int], None], updates: int, rate: float
) -> tuple[Found, float]:
    """Let reports come at a pace, and return what the page did meanwhile, and the pace."""
    browser.start_tracing(categories=CATEGORIES)
    begun = time.perf_counter()
    for number in range(updates):
        time.sleep(max(0.0, begun + number / rate - time.perf_counter()))
        update(number)
    took = time.perf_counter() - begun
    time.sleep(1)
    return read_trace(browser.stop_tracing(), updates, 1 / rate), updates / took


def show_bars(page: Page, server: JupyterProcess, jobs: Jobs) -> int:
    """Open a notebook of all of them, and return how many are in view."""
    write_notebook(server.root / "many.ipynb", jobs.reports)
    NotebookPage(page, server, "many.ipynb").open()
    # JupyterLab draws cells out of sight when it has nothing else to do.
    page.wait_for_function(
        "count => document.querySelectorAll('.pw-job[data-connection=live]').length === count",
        arg=len(jobs.reports),
        polling=2_000,
        timeout=10 * LIMIT,
    )
    return int(
        page.evaluate(
            """() => [...document.querySelectorAll('.pw-job')]
                 .filter(bar => bar.getBoundingClientRect().bottom < innerHeight).length"""
        )
    )


def show_rows(page: Page, server: JupyterProcess, jobs: Jobs) -> int:
    """Open the panel, and return how many of its rows are in view."""
    shown = PanelPage(page, server).open()
    shown.command("progresswidget:open")
    all_of_them = shown.panel.get_by_role("button", name=f"All {len(jobs.reports):,}")
    all_of_them.wait_for(timeout=LIMIT)
    return shown.rows.count()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=400)
    parser.add_argument("--rate", type=float, default=20, help="updates in a second")
    parser.add_argument("--bars", type=int, default=BARS)
    parser.add_argument("--rows", type=int, default=ROWS)
    given = parser.parse_args()
    options = [f"--ProgressExtension.{name}={value}" for name, value in SETTINGS.items()]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        server = JupyterProcess(Path(folder), options=options)
        server.start()
        browser = playwright.chromium.launch(
            executable_path=chromium.find(), args=chromium.ARGUMENTS
        )
        try:
            print(f"{given.updates} updates, {given.rate:g} a second; milliseconds of each")
            head = ("median", "p95", "script", "drawing", "frames")
            print(f"{'':38}" + "".join(f"{name:>9}" for name in head))
            for what, count, show in (
                ("bars in a notebook", given.bars, show_bars),
                ("rows in the panel", given.rows, show_rows),
            ):
                jobs = Jobs(server, count)
                page = browser.new_page(viewport={"width": 1280, "height": 900})
                seen = show(page, server, jobs)
                ways: dict[str, Callable[[int], None]] = {
                    "in turn": lambda number, jobs=jobs: jobs.advance(STRIDE * number),
                    f"{seen} in view": lambda number, jobs=jobs, seen=seen: jobs.advance(
                        number % seen
                    ),
                }
                if show is show_rows:
                    ways["coming, going"] = jobs.replace
                for way, update in ways.items():
                    time.sleep(2)
                    found, pace = measure(browser, update, given.updates, given.rate)
                    figures = (statistics.median(found.times), found.late)
                    numbers = (*figures, found.script, found.drawing)
                    row = "".join(f"{number:9.2f}" for number in numbers)
                    name = f"{count:,} {what}, {way}"
                    slow = "" if pace > 0.95 * given.rate else f"  ({pace:.0f} a second)"
                    print(f"{name:38}{row}{found.frames:9}{slow}", flush=True)
                page.close()
                jobs.forget()
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main()
