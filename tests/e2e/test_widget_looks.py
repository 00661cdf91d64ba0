"""Our ipywidgets beside those of ipywidgets: in boxes of theirs, in two themes, and narrow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets
import pyarrow as pa
import pytest
from page_objects import LIMIT, NotebookPage, settle, write_notebook
from pictures import expect_picture
from playwright.sync_api import expect
from widget_host import WidgetHost

import progresswidget as pw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_process import JupyterProcess
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

pytestmark = pytest.mark.e2e

SETUP = """
import ipywidgets
import progresswidget as pw
import pyarrow as pa

job = pw.export(pa.table({"n": range(1000)}), "numbers.csv", background=True)
result = job.result()
"""
SHOWN = """
def shown(width):
    both = [ipywidgets.IntProgress, pw.ProgressWidget]
    styles = ("", "success", "info", "warning", "danger")
    coloured = [
        make(value=10 + 20 * number, bar_style=style, description=style or "none")
        for number, style in enumerate(styles)
        for make in both
    ]
    few = {"layout": {"width": "45%"}}
    wide = {"style": {"description_width": "initial"}}
    return ipywidgets.VBox(
        [
            *coloured,
            pw.ProgressWidget(7, 10, description="As wide as its text", **wide),
            pw.ProgressWidget(7, 10, description="Cut", description_width="30px"),
            pw.ProgressWidget(7, None, description="No end"),
            ipywidgets.HBox([make(70, description="In a row", **few) for make in both]),
            pw.ExportWidget(job, description="A thousand numbers"),
            ipywidgets.HBox([pw.ExportWidget(job, bar_style="warning"), pw.ExportWidget(job)]),
            ipywidgets.HBox([make(70, orientation="vertical") for make in both]),
        ],
        layout={"width": width},
    )
"""
WIDTHS = ("640px", "320px")
DISPLAYED = f"{SHOWN}\ndisplay(*[shown(width) for width in {WIDTHS}])"
CHANGING = (".pw-job [data-part=bytes] ~ *",)
"""How long it took, and what has its place behind that."""


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 1400}, locale="en-US")
    context.set_default_timeout(LIMIT)
    yield context
    context.close()


def boxes_of(page: Page) -> Locator:
    """Return the boxes once all in them is drawn."""
    boxes = page.locator(".widget-vbox")
    for box in (boxes.nth(0), boxes.nth(1)):
        expect(box.locator(".pw-job[data-state=done]")).to_have_count(3, timeout=LIMIT)
        expect(box.locator(".pw-progress")).to_have_count(10, timeout=LIMIT)
    return boxes


def expect_pictures(page: Page, name: str) -> None:
    """Compare both boxes with what is kept of them."""
    # What is out of sight is not drawn, and a box is higher than the page.
    page.add_style_tag(content=".pw-job { content-visibility: visible !important }")
    settle(page)
    boxes = boxes_of(page)
    for number, width in enumerate(WIDTHS):
        expect_picture(boxes.nth(number), f"widgets-{name}-{width.removesuffix('px')}", CHANGING)


@pytest.mark.pictures
def test_in_jupyterlab(lab: JupyterProcess, context: BrowserContext) -> None:
    page = context.new_page()
    write_notebook(lab.root / "looks.ipynb", SETUP, DISPLAYED)
    shown = NotebookPage(page, lab, "looks.ipynb").open()
    page.evaluate("window.jupyterapp.shell.collapseLeft()")
    for cell in range(2):
        shown.run_and_wait(cell)
    boxes_of(page)
    for theme in ("Dark", "Light"):
        name = f"JupyterLab {theme}"
        shown.command("apputils:change-theme", theme=name)
        body = page.locator(f"body[data-jp-theme-name='{name}']")
        body.wait_for(state="attached", timeout=LIMIT)
        expect_pictures(page, theme.lower())
    page.close()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page that nbconvert makes of the same."""
    folder = tmp_path_factory.mktemp("host")
    job = pw.export(pa.table({"n": range(1000)}), folder / "numbers.csv")
    names: dict[str, Any] = {"ipywidgets": ipywidgets, "pw": pw, "job": job}
    exec(SHOWN, names)
    return WidgetHost(folder).exported(*[names["shown"](width) for width in WIDTHS])


@pytest.mark.pictures
def test_in_the_page_of_nbconvert(saved: str, context: BrowserContext) -> None:
    page = context.new_page()
    page.set_content(saved)
    expect_pictures(page, "nbconvert")
    page.close()


def test_they_stand_in_line_with_those_of_ipywidgets(saved: str, context: BrowserContext) -> None:
    page = context.new_page()
    page.set_content(saved)
    box = boxes_of(page).first
    theirs = box.locator(".progress").first.bounding_box()
    mine = box.locator(".pw-track").first.bounding_box()
    assert theirs is not None
    assert mine is not None
    assert abs(theirs["x"] - mine["x"]) < 1
    page.close()


def test_in_a_row_each_has_its_room(context: BrowserContext, saved: str) -> None:
    page = context.new_page()
    page.set_content(saved)
    for number, width in enumerate((640, 320)):
        row = boxes_of(page).nth(number).locator(".widget-hbox", has=page.locator(".pw-job"))
        frame = row.bounding_box()
        assert frame is not None
        for card in row.locator(".pw-job").all():
            place = card.bounding_box()
            assert place is not None
            assert place["width"] > 0.4 * width
            assert place["x"] + place["width"] <= frame["x"] + frame["width"] + 1
    page.close()


@pytest.mark.parametrize("make", [pw.ProgressWidget, ipywidgets.IntProgress])
def test_a_bar_alone_in_a_row_is_as_wide_as_one_of_ipywidgets(
    make: Callable[..., ipywidgets.Widget],
    context: BrowserContext,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    page = context.new_page()
    host = WidgetHost(tmp_path_factory.mktemp("host"))
    page.set_content(host.page(ipywidgets.HBox([make(70, description="In a row")])))
    bar = page.locator(".pw-progress, .widget-hprogress")
    bar.wait_for(timeout=LIMIT)
    place = bar.bounding_box()
    assert place is not None
    assert place["width"] == 300
    page.close()
