"""The bar of a reported job on a page, watched so closely that no number of it is missed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from page_objects import LIMIT, NotebookPage, dismiss_dialogs_on
from playwright.sync_api import expect
from reported_job import ReportedJob

if TYPE_CHECKING:
    from jupyter_process import JupyterProcess
    from playwright.sync_api import Page

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


class HasPort(Protocol):
    """What a page connects to: a proxy, or the server itself."""

    port: int


class WatchedBar:
    """A page that watches a job, by a line that a test may break."""

    def __init__(self, page: Page, server: JupyterProcess, proxy: HasPort) -> None:
        self.page, self.server, self.proxy = page, server, proxy
        self.job = ReportedJob(server)

    def show(self) -> WatchedBar:
        """Go to the notebook, and wait until its bar is there."""
        self.job.advance()
        self.job.write_notebook(self.server.root / "test.ipynb")
        return self.look_at(self.job, self.server.token)

    def look_at(self, job: ReportedJob, token: str) -> WatchedBar:
        """Go to the notebook of a job, as the owner of a token."""
        self.job = job
        self.page.add_init_script(OBSERVE)
        dismiss_dialogs_on(self.page)
        behind = replace(self.server, port=self.proxy.port, token=token)
        self.page.goto(NotebookPage(self.page, behind, "test.ipynb").address)
        self.page.locator("[data-task-id]").wait_for(timeout=LIMIT)
        return self

    def open(self) -> WatchedBar:
        """Go to the notebook, and wait until its bar is live and its kernel connected."""
        # Chromium shakes hands with a host on one socket at a time: on a line that falls silent in
        # the middle of the kernel's, ours would wait for minutes.
        self.show().wait_for_kernel()
        self.wait_for("live")
        return self

    def wait_for_kernel(self) -> None:
        """Wait until the page's kernel is connected."""
        self.page.wait_for_function(
            """() => window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel
                 ?.connectionStatus === 'connected'""",
            timeout=LIMIT,
        )

    def wait_for(self, *connections: str, limit: float = LIMIT) -> None:
        """Wait until the bar says that it is connected so."""
        wanted = ",".join(f"[data-task-id][data-connection={name}]" for name in connections)
        self.page.locator(wanted).wait_for(timeout=limit)

    def wait_for_truth(self, connection: str = "live") -> float:
        """Wait until the bar is live and shows what is true now; return the seconds it took."""
        start = time.monotonic()
        self.wait_for(connection)
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
