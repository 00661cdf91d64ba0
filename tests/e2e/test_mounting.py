"""Mounted and disposed of a thousand times in a real JupyterLab: what is left of it in the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from page_objects import LIMIT, NotebookPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_process import JupyterProcess
    from playwright.sync_api import CDPSession, Page, WebSocket

pytestmark = pytest.mark.e2e

CYCLES = 1_000
WARM = 20
"""Cycles in which a page makes what it keeps for good, such as formatters and styles."""
OWN = 200
"""What the page may have more of by itself: one of each cycle would be a thousand."""
KEPT_BY_IPYWIDGETS = 2
"""Elements that it keeps of each view that it has made, also of its own: empty ones, of ours."""
ITS_OWN = "pw-host"
"""Our class of the element that ipywidgets gives a view, and keeps."""

SETUP = """
import progresswidget as pw

rows = [{"a": 1}] * 10
"""
JOBS = """
pw.export(rows, "one.csv")
with pw.group("Several", total=3):
    for number in range(3):
        pw.export(rows, f"part-{number}.csv", background=True)
"""
WIDGETS = """
display(
    pw.ExportWidget(pw.export(rows, "two.csv")),
    pw.ProgressWidget(value=3, max=7, description="Loading"),
)
"""
SEEN = ":is(.pw-job[data-state=done], .pw-progress[data-live=true])"
OUTPUTS = {"jobs": (1, 2, 0), "widgets": (2, 3, 2)}
"""The cell that made them, how many bars they are, and how many views of ipywidgets."""

MOUNT = """
async ([times, from, selector, count]) => {
  const { widgets } = window.jupyterapp.shell.currentWidget.content;
  const saved = widgets[from].model.outputs.toJSON();
  const { model, node } = widgets.at(-1);
  // Widgets are drawn only in cells that were run here.
  model.trusted = true;
  const until = async (wanted) => {
    for (let turn = 0; node.querySelectorAll(selector).length !== wanted; turn += 1) {
      if (turn > 5000) throw new Error(`never ${wanted}: ${node.innerHTML}`);
      await new Promise((done) => setTimeout(done, turn < 20 ? 0 : 10));
    }
  };
  for (let cycle = 0; cycle < times; cycle += 1) {
    model.outputs.fromJSON(saved);
    await until(count);
    model.outputs.clear();
    await until(0);
  }
}
"""


class Held:
    """What the page holds once all that nobody needs has been collected."""

    def __init__(self, page: Page, session: CDPSession) -> None:
        for _ in range(3):
            # What observers have to say of the last cycle comes with a frame.
            page.evaluate(
                "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))"
            )
            session.send("HeapProfiler.collectGarbage")
        counters = session.send("Memory.getDOMCounters")
        self.nodes: int = counters["nodes"]
        self.listeners: int = counters["jsEventListeners"]
        detached = session.send("DOM.getDetachedDomNodes")["detachedNodes"]
        self.ours = [name for each in detached for name in our_classes(each["treeNode"])]


def our_classes(node: dict[str, Any]) -> Iterator[str]:
    """Yield the classes of those elements of ours that are in a tree outside of the page."""
    names = " ".join(node.get("attributes", [])).split()
    yield from (name for name in names if name.startswith("pw-") and name != ITS_OWN)
    for child in node.get("children", []):
        yield from our_classes(child)


def test_a_thousand_outputs_leave_nothing_behind(
    lab: JupyterProcess, page: Page, open_notebook: Callable[..., NotebookPage]
) -> None:
    sockets: list[WebSocket] = []
    page.on("websocket", lambda one: sockets.append(one) if "/progresswidget/" in one.url else None)
    shown = open_notebook(lab, SETUP, JOBS, WIDGETS, "")
    for cell in range(3):
        shown.run_and_wait(cell)
    bars = sum(count for _cell, count, _views in OUTPUTS.values())
    page.locator(f".jp-OutputArea {SEEN}").nth(bars - 1).wait_for(timeout=LIMIT)
    session = page.context.new_cdp_session(page)
    for cell, count, views in OUTPUTS.values():
        page.evaluate(MOUNT, [WARM, cell, SEEN, count])
        before = Held(page, session)
        page.evaluate(MOUNT, [CYCLES, cell, SEEN, count])
        after = Held(page, session)
        assert len(after.ours) - len(before.ours) < OWN
        assert after.listeners - before.listeners < OWN
        assert after.nodes - before.nodes < KEPT_BY_IPYWIDGETS * views * CYCLES + OWN
    assert len(sockets) == 1
