"""Our ipywidgets where there is no JupyterLab and no kernel: links, layouts, the last state."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets
import pyarrow as pa
import pytest
from page_objects import LIMIT
from playwright.sync_api import BrowserContext, Page, expect
from widget_host import WidgetHost

import progresswidget as pw

pytestmark = pytest.mark.e2e

FULL = re.compile(r"\bwidth: 100%;")

Shower = Callable[..., Page]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> WidgetHost:
    return WidgetHost(tmp_path_factory.mktemp("host"))


@pytest.fixture
def show(context: BrowserContext, host: WidgetHost) -> Iterator[Shower]:
    """Show widgets on a page that hears of every request and every error."""
    asked: list[str] = []
    wrong: list[str] = []

    def show(*views: ipywidgets.Widget, **settings: str) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.set_content(host.page(*views, **settings))
        page.locator(".widget-subarea").first.wait_for(timeout=LIMIT)
        return page

    yield show
    # A script that a host runs from text is a blob of the page's own.
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == []
    assert wrong == []


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return pw.export(pa.table({"n": range(1000)}), tmp_path_factory.mktemp("data") / "numbers.csv")


def test_a_link_in_the_page_moves_the_bar_without_a_kernel(show: Shower) -> None:
    bar = pw.ProgressWidget(value=30, max=100, description="Loading")
    slider = ipywidgets.IntSlider(value=30, max=100)
    other = ipywidgets.IntProgress(max=100)
    links = [
        ipywidgets.jslink((slider, "value"), (bar, "value")),
        ipywidgets.jsdlink((bar, "value"), (other, "value")),
    ]
    page = show(ipywidgets.VBox([slider, ipywidgets.HBox([bar]), other]))
    mine = page.locator(".pw-progress [role=progressbar]")
    expect(mine).to_have_attribute("aria-valuenow", "30")
    handle = page.locator(".noUi-handle")
    handle.focus()
    handle.press("End")
    expect(mine).to_have_attribute("aria-valuenow", "100")
    expect(page.locator(".pw-progress")).to_have_attribute("data-state", "done")
    expect(page.locator(".progress-bar").first).to_have_attribute("style", FULL)
    assert len(links) == 2


def test_an_export_shows_its_last_state_and_links_it(show: Shower, job: Any) -> None:
    widget = pw.ExportWidget(job, description="A thousand numbers", layout={"width": "60%"})
    percent = ipywidgets.FloatProgress(max=100)
    link = ipywidgets.jsdlink((widget, "percent"), (percent, "value"))
    tabs = ipywidgets.Tab([ipywidgets.VBox([widget, percent])], titles=["Export"])
    page = show(tabs)
    card = page.locator(".pw-job")
    expect(card).to_have_attribute("data-state", "done")
    expect(card).to_contain_text("A thousand numbers")
    expect(card).to_contain_text("1,000 rows")
    expect(page.locator(".progress-bar")).to_have_attribute("style", FULL)
    # Without a server there is nothing to download from, and no button that does nothing.
    expect(card.locator("button:visible")).to_have_count(0)
    assert link is not None
