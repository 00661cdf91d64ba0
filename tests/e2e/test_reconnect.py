"""A network and a server that come and go, as a page sees them: rows 50, 51 and 56 to 58."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import chromium
import psutil
import pytest
from conftest import ARGUMENTS
from page_objects import LIMIT, NotebookPage
from playwright.sync_api import expect
from proxy import FaultProxy
from reported_job import ReportedJob
from test_looks import dismiss_dialogs_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_process import JupyterProcess
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.e2e

HEARTBEAT = 1.0
AFTER_ONLINE = 5.0
"""Seconds within which the state is right again once there is a network."""

OBSERVE = """
window.tries = [];
window.WebSocket = class extends window.WebSocket {
  constructor(url, protocols) {
    super(url, protocols);
    if (String(url).includes('/progresswidget/ws')) window.tries.push(performance.now());
  }
};
window.seen = [];
window.connections = [];
new MutationObserver(() => {
  const bar = document.querySelector('[data-task-id]');
  if (!bar) return;
  const rows = bar.querySelector('[data-part=rows]')?.textContent;
  const count = rows && Number(rows.split(' of ')[0].replaceAll(',', ''));
  if (count && count !== window.seen.at(-1)) window.seen.push(count);
  const {connection} = bar.dataset;
  if (connection !== window.connections.at(-1)) window.connections.push(connection);
}).observe(document, {subtree: true, childList: true, attributes: true, characterData: true});
"""
"""Keeps the times of all tries, the numbers and the connections that the bar has shown."""


class Watching:
    """A page that watches a job through a line that can be broken."""

    def __init__(self, page: Page, server: JupyterProcess, proxy: FaultProxy) -> None:
        self.page, self.server, self.proxy = page, server, proxy
        self.job = ReportedJob(server)

    def open(self) -> Watching:
        """Open the notebook, and wait until its bar is live."""
        self.job.advance()
        self.job.write_notebook(self.server.root / "test.ipynb")
        self.page.add_init_script(OBSERVE)
        dismiss_dialogs_on(self.page)
        behind = replace(self.server, port=self.proxy.port)
        NotebookPage(self.page, behind, "test.ipynb").open()
        # Chromium shakes hands with a host on one socket at a time: on a line that falls silent in
        # the middle of the kernel's, ours would wait for minutes.
        self.page.wait_for_function(
            """() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel
                 ?.connectionStatus === 'connected'""",
            timeout=LIMIT,
        )
        self.wait_for("live")
        return self

    def wait_for(self, *connections: str, limit: float = LIMIT) -> None:
        """Wait until the bar says that it is connected so."""
        wanted = ",".join(f"[data-task-id][data-connection={name}]" for name in connections)
        self.page.locator(wanted).wait_for(timeout=limit)

    def wait_for_truth(self) -> float:
        """Wait until the bar is live and shows what is true now; return the seconds it took."""
        start = time.monotonic()
        self.wait_for("live")
        rows = self.page.locator("[data-task-id] [data-part=rows]")
        expect(rows).to_have_text(f"{self.job.rows:,} of 1,000,000 rows", timeout=LIMIT)
        return time.monotonic() - start

    @property
    def tries(self) -> list[float]:
        """When a socket was opened, in seconds."""
        return [time_ / 1000 for time_ in self.page.evaluate("window.tries")]

    def assert_never_went_back(self) -> None:
        seen = self.page.evaluate("window.seen")
        assert seen == sorted(set(seen))
        assert set(seen) <= set(self.job.reports)


@pytest.fixture
def short(servers: Callable[..., JupyterProcess]) -> Iterator[JupyterProcess]:
    """A server that is quick to call a silent page dead."""
    settings = {"heartbeat": HEARTBEAT, "push_interval": 0.1}
    options = [f"--ProgressExtension.{name}={value}" for name, value in settings.items()]
    server = servers("short", options=options)
    yield server
    if server.process is None:
        server.start()


@pytest.fixture
def watching(page: Page, short: JupyterProcess) -> Iterator[Watching]:
    with FaultProxy(short.port) as proxy:
        watching = Watching(page, short, proxy)
        yield watching
        watching.job.report(status="cancelled")
    short.clear()


def connected(server: JupyterProcess) -> int:
    """Return how many pages the server takes for connected."""
    return int(server.api("progresswidget/api/health")["connections"])


def eventually(condition: Callable[[], object], within: float = LIMIT / 1000) -> None:
    end = time.monotonic() + within
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


# --- Row 50, 57: silence -----------------------------------------------------------------------


def test_row_50_both_ends_notice_a_line_that_fell_silent(watching: Watching) -> None:
    watching.open()
    with watching.job.moving():
        watching.proxy.hole()
        watching.wait_for("reconnecting", "connecting")
        watching.wait_for("live")
    watching.wait_for_truth()
    watching.assert_never_went_back()
    # The server has given the silent one up too.
    eventually(lambda: connected(watching.server) == 1)


def test_row_57_offline_is_seen_by_the_heartbeat_and_online_is_at_once(
    watching: Watching, context: BrowserContext
) -> None:
    watching.open()
    context.set_offline(True)  # silences an open socket, and closes none
    watching.wait_for("reconnecting")
    watching.wait_for("offline")
    watching.job.advance(1000)
    context.set_offline(False)
    seconds = watching.wait_for_truth()
    print(f"right {seconds:.2f} s after online")
    assert seconds < AFTER_ONLINE
    watching.assert_never_went_back()


@contextmanager
def stopped(*marks: str) -> Iterator[None]:
    """Stop the processes whose command lines have all these marks."""
    every = psutil.Process().children(recursive=True)
    processes = [one for one in every if set(marks) <= set(one.cmdline())]
    assert processes
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


@pytest.mark.faults
@pytest.mark.parametrize("part", ["laptop", "tab"])
def test_row_57_who_slept_for_long_shows_the_truth_soon(
    browser: Browser, short: JupyterProcess, tmp_path: Path, part: str
) -> None:
    """The lid was closed: all of Chromium stood still. The tab was hidden: its renderer did."""
    data = f"--user-data-dir={tmp_path}"
    with FaultProxy(short.port) as proxy:
        own = browser.browser_type.launch_persistent_context(
            tmp_path, executable_path=chromium.find(), args=ARGUMENTS
        )
        try:
            watching = Watching(own.new_page(), short, proxy).open()
            with stopped(data, *(["--type=renderer"] if part == "tab" else [])):
                end = time.monotonic() + 5 * HEARTBEAT
                while time.monotonic() < end:
                    watching.job.advance(100)
                    time.sleep(0.1)  # what stands still has no state to wait for
                # A browser answers the pings of the protocol also for a tab that does nothing.
                eventually(lambda: connected(short) == (1 if part == "tab" else 0))
            seconds = watching.wait_for_truth()
            print(f"right {seconds:.2f} s after waking up")
            assert seconds < AFTER_ONLINE
            watching.assert_never_went_back()
            watching.job.report(status="cancelled")
        finally:
            own.close()
    short.clear()


# --- Row 51: a burst ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seconds", [pytest.param(6, id="short"), pytest.param(60, marks=pytest.mark.faults, id="long")]
)
def test_row_51_resets_in_a_burst_lose_and_repeat_nothing(
    watching: Watching, seconds: float
) -> None:
    watching.open()
    end = time.monotonic() + seconds
    resets = 0
    with watching.job.moving():
        while time.monotonic() < end:
            watching.proxy.reset()
            resets += 1
            watching.page.wait_for_timeout(300)
            button = watching.page.locator("[data-task-id] button[data-action=reconnect]")
            if button.is_visible():
                button.click()
    button = watching.page.locator("[data-task-id] button[data-action=reconnect]")
    if button.is_visible():
        button.click()
    watching.wait_for_truth()
    watching.assert_never_went_back()
    shown = len(watching.page.evaluate("window.seen"))
    print(f"{resets} resets, {len(watching.job.reports)} reports, {shown} numbers shown")


# --- Row 56: a server that is away -------------------------------------------------------------


def wake_by_click(watching: Watching) -> None:
    watching.page.locator("[data-task-id] button[data-action=reconnect]").click()


def wake_by_online(watching: Watching) -> None:
    watching.page.context.set_offline(True)
    watching.page.context.set_offline(False)


def wake_by_look(watching: Watching) -> None:
    watching.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


@pytest.mark.parametrize(
    "wake",
    [
        wake_by_click,
        pytest.param(wake_by_online, marks=pytest.mark.faults),
        pytest.param(wake_by_look, marks=pytest.mark.faults),
    ],
)
def test_row_56_five_tries_then_one_button_and_a_fresh_round_at_once(
    watching: Watching, wake: Callable[[Watching], None]
) -> None:
    watching.open()
    before = len(watching.tries)
    watching.proxy.refuse()
    watching.proxy.reset()
    watching.wait_for("offline")
    expect(watching.page.locator("[data-action=reconnect]:visible")).to_have_count(1)
    watching.page.wait_for_timeout(2_000)  # that nothing more is tried can only be looked for
    tries = watching.tries[before - 1 :]
    waits = [later - earlier for earlier, later in pairwise(tries)][1:]
    print("waits between tries:", [f"{wait:.2f}" for wait in waits])
    assert len(tries) == 6
    for number, wait in enumerate(waits, 1):
        longest = 0.5 * 2**number
        assert longest / 3 - 0.05 <= wait <= longest + 1  # a busy machine is late
    watching.job.advance(1000)
    watching.proxy.admit()
    wake(watching)
    assert watching.wait_for_truth() < AFTER_ONLINE
    shown = watching.page.evaluate("window.connections")
    assert shown.count("offline") == 1, shown
    watching.assert_never_went_back()


# --- Another server ----------------------------------------------------------------------------


def test_a_server_with_another_history_shows_the_right_value(watching: Watching) -> None:
    watching.open()
    for _ in range(20):
        watching.job.advance()
    watching.wait_for_truth()
    epoch = watching.server.api("progresswidget/api/health")["epoch"]
    watching.server.stop()
    watching.wait_for("reconnecting", "connecting", "offline")
    watching.server.start()
    assert watching.server.api("progresswidget/api/health")["epoch"] != epoch
    # The numbers of the new history are lower, and what they stand for is not.
    watching.job.advance(1000)
    watching.wait_for_truth()
    watching.assert_never_went_back()
