"""A network and a server that come and go, as a page sees them: rows 50, 51 and 56 to 58."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import chromium
import psutil
import pytest
from laboratory import eventually
from page_objects import HEARTBEAT, LIMIT
from playwright.sync_api import expect
from proxy import FaultProxy
from watched_bar import WatchedBar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jupyter_process import JupyterProcess
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.e2e

AFTER_ONLINE = 5.0
"""Seconds within which the state is right again once there is a network."""


class Broken(WatchedBar):
    """The same, by a line that this test breaks."""

    proxy: FaultProxy


@pytest.fixture
def watching(page: Page, short: JupyterProcess) -> Iterator[Broken]:
    with FaultProxy(short.port) as proxy:
        watching = Broken(page, short, proxy)
        yield watching
        if short.process is None:
            short.start()
        watching.job.report(status="cancelled")


def connected(server: JupyterProcess) -> int:
    """Return how many pages the server takes for connected."""
    return int(server.api("progresswidget/api/health")["connections"])


# --- Row 50, 57: silence -----------------------------------------------------------------------


def test_row_50_both_ends_notice_a_line_that_fell_silent(watching: Broken) -> None:
    watching.open()
    with watching.job.moving():
        watching.proxy.hole()
        # It may last for no longer than a blink.
        lost = "window.connections.includes('reconnecting')"
        watching.page.wait_for_function(lost, timeout=LIMIT)
    watching.wait_for_truth()
    watching.assert_never_went_back()
    # The server has given the silent one up too.
    eventually(lambda: connected(watching.server) == 1)


def test_row_57_offline_is_seen_by_the_heartbeat_and_online_is_at_once(
    watching: Broken, context: BrowserContext
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
def stopped(browser: str, *marks: str) -> Iterator[None]:
    """Stop the processes of a browser, or those of them whose command lines have all these marks.

    The argument names the browser: the first of its processes has it, and not all of the others.
    """
    every = psutil.Process().children(recursive=True)
    first = [one for one in every if browser in one.cmdline()]
    family = {each for one in first for each in (one, *one.children(recursive=True))}
    processes = [one for one in family if set(marks) <= set(one.cmdline())]
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
            tmp_path, executable_path=chromium.find(), args=chromium.ARGUMENTS
        )
        try:
            watching = WatchedBar(own.new_page(), short, proxy).open()
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


# --- Row 51: a burst ---------------------------------------------------------------------------


@pytest.mark.faults
@pytest.mark.parametrize("seconds", [6, 60])
def test_row_51_resets_in_a_burst_lose_and_repeat_nothing(watching: Broken, seconds: float) -> None:
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


def wake_by_click(watching: Broken) -> None:
    watching.page.locator("[data-task-id] button[data-action=reconnect]").click()


def wake_by_online(watching: Broken) -> None:
    watching.page.context.set_offline(True)
    watching.page.context.set_offline(False)


def wake_by_look(watching: Broken) -> None:
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
    watching: Broken, wake: Callable[[Broken], None]
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
    # A try that failed before the page was live is of the same round for half a minute.
    spent = 6 - len(tries)
    assert spent in {0, before - 1}
    for number, wait in enumerate(waits, 1 + spent):
        assert wait <= 0.5 * 2**number + 1  # a busy machine is late
    watching.job.advance(1000)
    watching.proxy.admit()
    wake(watching)
    assert watching.wait_for_truth() < AFTER_ONLINE
    shown = watching.page.evaluate("window.connections")
    assert shown.count("offline") == 1, shown
    watching.assert_never_went_back()


# --- Another server ----------------------------------------------------------------------------


@pytest.mark.faults
def test_a_server_with_another_history_shows_the_right_value(watching: Broken) -> None:
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
