"""Very many bars: what a page keeps of those that are gone, and how many connections it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gallery
import pytest
from page_objects import LIMIT, NotebookPage, write_notebook
from playwright.sync_api import Page, Route, WebSocket, expect

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_process import JupyterProcess
    from playwright.sync_api import BrowserContext, CDPSession

pytestmark = pytest.mark.e2e

COUNTERS = """
(() => {
  const intervals = new Set();
  const { setInterval, clearInterval } = window;
  window.setInterval = (...args) => {
    const id = setInterval(...args);
    intervals.add(id);
    return id;
  };
  window.clearInterval = (id) => {
    intervals.delete(id);
    clearInterval(id);
  };
  window.openIntervals = () => intervals.size;
  window.sockets = 0;
  const Native = window.WebSocket;
  window.WebSocket = class extends Native {
    constructor(...args) {
      super(...args);
      window.sockets += 1;
    }
  };
})();
"""


def kept(page: Page, session: CDPSession) -> dict[str, Any]:
    """Return what the page holds once all that nobody needs has been collected."""
    for _ in range(3):
        # What observers have to say of the last cycle comes with a frame.
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        session.send("HeapProfiler.collectGarbage")
    counters = session.send("Memory.getDOMCounters")
    return {
        "nodes": counters["nodes"],
        "listeners": counters["jsEventListeners"],
        "intervals": page.evaluate("openIntervals()"),
        "sockets": page.evaluate("sockets"),
        "children": page.evaluate("document.querySelectorAll('main *').length"),
        "styles": page.evaluate("document.adoptedStyleSheets.length"),
    }


def test_a_thousand_bars_leave_nothing_behind(page: Page, tmp_path: Path) -> None:
    page.add_init_script(COUNTERS)
    page.goto(gallery.build(tmp_path).with_name("many.html").as_uri())
    session = page.context.new_cdp_session(page)
    page.evaluate("bench.cycle(20)")
    before = kept(page, session)
    # Two jobs, a group with its eight parts, and a list of thirty rows in each.
    page.evaluate("bench.cycle(1000)")
    after = kept(page, session)
    assert before["intervals"] == after["intervals"] == 0
    assert after["children"] == 0
    # The same to the last node and listener, however many there were.
    assert after == before


SETUP = """
import progresswidget as pw

rows = [{"a": 1}] * 10
"""
SEVERAL = """
for name in "ab":
    pw.export(rows, f"{NAME}-{name}.csv")
with pw.group(f"group {NAME}"):
    for number in range(20):
        pw.export(rows, f"{NAME}-{number}.csv", background=True)
"""
WIDGETS = """
import ipywidgets

job = pw.export(rows, f"{NAME}-w.csv")
inside = ipywidgets.Output()
with inside:
    display(pw.ExportWidget(job))
bar = pw.ProgressWidget(value=3, max=7)
ipywidgets.VBox([pw.ExportWidget(job), pw.ExportWidget(job), inside, bar])
"""


def open_beside(page: Page, name: str) -> None:
    """Open a notebook in a tab of the same page."""
    page.evaluate(
        "path => void jupyterapp.commands.execute('docmanager:open', {path})", f"{name}.ipynb"
    )
    page.wait_for_function(
        """path => {
          const panel = window.jupyterapp.shell.currentWidget;
          return panel?.context?.path === path && panel.sessionContext.isReady
            && panel.sessionContext.session?.kernel;
        }""",
        arg=f"{name}.ipynb",
        timeout=LIMIT,
    )


def test_a_page_has_one_connection_whatever_it_shows(
    lab: JupyterProcess, context: BrowserContext, tmp_path: Path
) -> None:
    page = context.new_page()
    ours: list[WebSocket] = []
    page.on("websocket", lambda one: ours.append(one) if "/progresswidget/" in one.url else None)
    names = ("one", "two", "three")
    for name in names:
        write_notebook(lab.root / f"{name}.ipynb", f"NAME = {name!r}{SETUP}", SEVERAL, WIDGETS)
    shown = NotebookPage(page, lab, "one.ipynb").open()
    for number, name in enumerate(names):
        if number:
            open_beside(page, name)
        for cell in range(3):
            shown.run_and_wait(cell)
    # In each the cards of three exports and a group, and three widgets.
    expect(page.locator(".pw-job[data-state=done]")).to_have_count(3 * 7, timeout=LIMIT)
    boxed = page.locator(".jp-OutputArea .widget-vbox")
    expect(boxed.locator(".pw-job")).to_have_count(3 * 3, timeout=LIMIT)
    expect(boxed.locator(".pw-progress[data-live=true]")).to_have_count(3, timeout=LIMIT)

    # All that there is beside notebooks: the panel, what runs, and uploads that have begun.
    shown.command("progresswidget:open")
    rows = page.locator("#progresswidget-exports .pw-export")
    expect(rows.first).to_be_visible(timeout=LIMIT)
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "PATCH":
            held.append(route)
        else:
            route.continue_()

    page.route("**/progresswidget/uploads/**", hold)
    page.evaluate("() => { delete window.showOpenFilePicker; }")
    uploads = page.locator(".pw-transfer[data-status=running]")
    for number, name in enumerate(("a.bin", "b.bin"), 1):
        (tmp_path / name).write_bytes(b"x" * 100_000)
        with page.expect_file_chooser(timeout=LIMIT) as chooser:
            page.evaluate("() => void jupyterapp.commands.execute('progresswidget:upload')")
        chooser.value.set_files(tmp_path / name)
        expect(uploads).to_have_count(number, timeout=LIMIT)
    shown.command("running:show-panel")
    expect(page.locator(".jp-RunningSessions")).to_be_visible(timeout=LIMIT)

    assert len(ours) == 1
    assert not ours[0].is_closed()
    for route in held:
        route.continue_()
    page.unroute("**/progresswidget/uploads/**")
    expect(page.locator(".pw-transfer[data-status=done]")).to_have_count(2, timeout=LIMIT)
    assert len(ours) == 1
