"""What the bar says of its connection where it is another one than usual: rows 56 to 58."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from nginx import Nginx
from page_objects import LIMIT
from playwright.sync_api import expect
from watched_bar import WatchedBar

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_process import JupyterProcess
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("upgrades", ["forbid", pytest.param("drop", marks=pytest.mark.faults)])
def test_behind_a_proxy_without_websockets_the_bar_is_live_by_polling(
    page: Page, short: JupyterProcess, tmp_path: Path, upgrades: str
) -> None:
    with Nginx(tmp_path, short.port, upgrades=upgrades) as proxy:
        watching = WatchedBar(page, short, proxy).show()
        watching.wait_for("polling")
        expect(page.locator("[data-task-id] .pw-link")).to_have_text("Live without WebSocket")
        with watching.job.moving():
            page.wait_for_function("window.seen.length > 5", timeout=LIMIT)
        watching.wait_for_truth("polling")
        assert page.evaluate("window.connections.includes('offline')") is False
        # The buttons go by plain HTTP anyway.
        page.locator("[data-task-id] button[data-action=pause]").click()
        expect(page.locator("[data-task-id]")).to_contain_text("Pausing…")
        watching.job.report(status="paused")
        page.locator("[data-task-id][data-state=paused]").wait_for(timeout=LIMIT)
        proxy.reload("pass")
        page.evaluate("dispatchEvent(new Event('online'))")
        watching.wait_for_truth("live")
        watching.job.report(status="cancelled")
        page.locator("[data-task-id][data-state=cancelled]").wait_for(timeout=LIMIT)
        watching.assert_never_went_back()


def of_another_version(route: Route) -> None:
    """Hand out our code as an earlier or later release would have it."""
    answer = route.fetch()
    body = answer.text().replace("v1.progress", "v0.progress")
    route.fulfill(response=answer, body=body)


def test_row_58_a_page_of_another_version_says_so(page: Page, short: JupyterProcess) -> None:
    page.route(re.compile(r"/lab/extensions/progresswidget/static/.*\.js"), of_another_version)
    watching = WatchedBar(page, short, short).show()
    watching.wait_for("offline")
    bar = page.locator("[data-task-id]")
    expect(bar).to_contain_text("This page and the server differ in version: reload the page")
    expect(bar.locator("button[data-action=reconnect]")).to_be_visible()
    # A kernel that is ended while it starts holds up the end of the server.
    watching.wait_for_kernel()
    watching.job.report(status="cancelled")
