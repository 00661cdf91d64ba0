"""Our ipywidgets where there is no JupyterLab and no kernel: links, layouts, the last state."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import ipywidgets
import pyarrow as pa
import pytest
from page_objects import LIMIT, NotebookPage, dismiss_dialogs
from playwright.sync_api import BrowserContext, Page, expect
from widget_host import WidgetHost

import progresswidget as pw
from progresswidget.widget import JobMirror, LaterMirror

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_process import JupyterProcess

pytestmark = pytest.mark.e2e

FULL = re.compile(r"\bwidth: 100%;")

Shower = Callable[..., Page]
Opener = Callable[..., NotebookPage]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> WidgetHost:
    return WidgetHost(tmp_path_factory.mktemp("host"))


@pytest.fixture
def show(context: BrowserContext, host: WidgetHost) -> Iterator[Shower]:
    """Show widgets on a page that hears of every request and every error."""
    asked: list[str] = []
    wrong: list[str] = []

    def show(*views: ipywidgets.Widget, html: str = "", **settings: str) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.set_content(html or host.page(*views, **settings))
        page.locator(".widget-subarea").first.wait_for(timeout=LIMIT)
        return page

    yield show
    # A script that a host runs from text is a blob of the page's own.
    assert [url for url in asked if not url.startswith(("blob:", "data:"))] == []
    assert wrong == []


@contextlib.contextmanager
def running_job(folder: Path) -> Iterator[Any]:
    """An export that has begun and goes on until the test has seen it."""
    seen = threading.Event()
    schema = pa.schema({"n": pa.int64()})

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([pa.array(range(1000))], schema=schema)
        seen.wait()

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    job = pw.export(reader, folder / "slow.csv", background=True)
    try:
        yield job
    finally:
        seen.set()
        job.result(LIMIT)


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
    expect(card.locator("button:visible")).to_have_count(1)
    expect(card.locator("[data-action=details]")).to_be_visible()
    assert link is not None


def test_what_nbconvert_writes_shows_the_last_state(
    show: Shower, host: WidgetHost, job: Any
) -> None:
    bar = pw.ProgressWidget(value=7, max=10, description="Seven of ten")
    page = show(html=host.exported(pw.ExportWidget(job), bar))
    expect(page.locator(".pw-job")).to_have_attribute("data-state", "done")
    mine = page.locator(".pw-progress [role=progressbar]")
    expect(mine).to_have_attribute("aria-valuenow", "70")
    # A loop that ran when it was saved: no kernel stands behind a rate or a time left.
    expect(page.locator(".pw-progress")).to_have_attribute("data-live", "false")


def test_a_page_of_nbconvert_takes_the_code_of_the_first_job_for_the_next(
    show: Shower, host: WidgetHost, job: Any
) -> None:
    first = JobMirror(job)
    page = show(html=host.exported(LaterMirror(job, first), first))
    expect(page.locator(".pw-job[data-state=done]")).to_have_count(2)


def test_a_job_that_ran_when_it_was_saved_says_so(show: Shower, tmp_path: Path) -> None:
    with running_job(tmp_path) as job:
        widget = pw.ExportWidget(job)
        page = show(widget)
        card = page.locator(".pw-job")
        expect(card).to_have_attribute("data-connection", "saved")
        expect(card).to_contain_text("Saved state, no kernel")
        expect(card.locator("button:visible")).to_have_count(1)
        expect(card.locator("[data-action=details]")).to_be_visible()


BEGIN = """
import threading
import ipywidgets
import pyarrow as pa
import progresswidget as pw

schema = pa.schema({"n": pa.int64()})
going = threading.Event()

def batches():
    for number in range(100_000):
        yield pa.record_batch([pa.array(range(1000))], schema=schema)
        going.wait(0.05)

job = pw.export(pa.RecordBatchReader.from_batches(schema, batches()), "slow.csv", background=True)
"""
LINKED = """
shown = pw.ExportWidget(job, description="Rows of a query", layout={"width": "50%"})
said = ipywidgets.Label()
link = ipywidgets.jsdlink((shown, "state"), (said, "value"))
states = []
shown.observe(lambda change: states.append(change["new"]), "state")
ipywidgets.VBox([shown, said])
"""
LOOP = """
bar = pw.ProgressWidget(max=10, description="Loading")
display(bar)
for number in range(7):
    bar.value = number + 1
"""
TOP = "shown"
INSIDE = """
out = ipywidgets.Output()
with out:
    display(pw.ExportWidget(job))

def loaded(share):
    display(pw.ProgressWidget(value=share, max=10, description="Share"))

display(out, ipywidgets.interactive(loaded, share=ipywidgets.IntSlider(value=4, max=10)))
"""


def test_in_a_notebook_links_and_last_states_outlive_the_kernel(
    lab: JupyterProcess, open_notebook: Opener
) -> None:
    shown = open_notebook(lab, BEGIN, LINKED, LOOP, TOP, INSIDE)
    page = shown.page
    for cell in range(5):
        shown.run_and_wait(cell)
    said = page.locator(".widget-vbox .widget-label").first
    expect(said).to_have_text("running", timeout=LIMIT)
    cells = page.locator(".jp-Cell")
    boxed = cells.nth(1).locator(".widget-vbox .pw-job")
    expect(boxed).to_have_attribute("data-connection", "live", timeout=LIMIT)
    loop = cells.nth(2).locator(".pw-progress [role=progressbar]")
    expect(loop).to_have_attribute("aria-valuenow", "70", timeout=LIMIT)
    # In an `Output`, and in the one of `interactive`, which fills it anew with each change.
    inside = cells.nth(4).locator(".pw-job")
    expect(inside).to_have_attribute("data-connection", "live", timeout=LIMIT)
    share = cells.nth(4).locator(".widget-interact .pw-progress [role=progressbar]")
    expect(share).to_have_attribute("aria-valuenow", "40", timeout=LIMIT)
    dial = cells.nth(4).locator(".noUi-handle")
    dial.focus()
    dial.press("ArrowRight")
    expect(share).to_have_attribute("aria-valuenow", "50", timeout=LIMIT)
    # On its own line it is laid out as it was asked to be, and not as the job's own output.
    alone = cells.nth(3).locator(".jp-OutputArea .pw-job")
    wide = page.locator(".jp-OutputArea .pw-job").first.bounding_box()
    narrow = alone.bounding_box()
    assert wide is not None
    assert narrow is not None
    assert narrow["width"] < 0.6 * wide["width"]

    # Nobody in the kernel is left to tell the link: it is the page that hears the server.
    (kernel,) = lab.api("api/kernels")
    lab.api(f"api/kernels/{kernel['id']}/restart", "POST")
    expect(said).to_have_text("interrupted", timeout=LIMIT)
    for card in (boxed, inside):
        expect(card).to_have_attribute("data-state", "interrupted", timeout=LIMIT)
    bar = cells.nth(2).locator(".pw-progress")
    expect(bar).to_have_attribute("data-live", "false", timeout=LIMIT)
    dismiss_dialogs(shown)
    shown.save()
    shown.reload()
    expect(loop).to_have_attribute("aria-valuenow", "70", timeout=LIMIT)
    outputs = page.locator(".jp-Cell .jp-OutputArea")
    for cell in (2, 3):
        expect(outputs.nth(cell)).not_to_contain_text("model not found")
    expect(outputs.nth(3).locator(".pw-job")).to_have_attribute(
        "data-state", "interrupted", timeout=LIMIT
    )
    expect(outputs.nth(2).locator(".pw-progress")).to_have_count(1)


LINKED_BARS = """
import ipywidgets
import progresswidget as pw

bar = pw.ProgressWidget(value=30, max=100, description="Loading")
slider = ipywidgets.IntSlider(value=30, max=100)
theirs = ipywidgets.IntProgress(max=100)
links = [
    ipywidgets.jslink((slider, "value"), (bar, "value")),
    ipywidgets.jslink((bar, "value"), (theirs, "value")),
]
heard = []
bar.observe(lambda change: heard.append(change["new"]), "value")
bar.observe(lambda change: heard.append(change["new"]), "state")
display(ipywidgets.VBox([bar, slider, theirs]), ipywidgets.Accordion([bar], selected_index=0))
"""
OF_THE_PAGE = "print(bar.value, bar.state, sorted(map(str, heard)))"
OF_THE_KERNEL = "theirs.value = 20"
CLOSED = "bar.close(); print('closed')"


@pytest.mark.parametrize("application", ["lab", "notebook7"])
def test_links_go_both_ways_to_every_view_of_a_bar_until_it_is_closed(
    application: str, request: pytest.FixtureRequest, open_notebook: Opener
) -> None:
    server: JupyterProcess = request.getfixturevalue(application)
    shown = open_notebook(server, LINKED_BARS, OF_THE_PAGE, OF_THE_KERNEL, CLOSED)
    cells = shown.page.locator(".jp-Cell")
    shown.run_and_wait(0)
    bars = cells.nth(0).locator(".pw-progress [role=progressbar]")
    expect(bars).to_have_count(2, timeout=LIMIT)
    handle = cells.nth(0).locator(".noUi-handle")
    handle.focus()
    handle.press("End")
    theirs = cells.nth(0).locator(".progress-bar")
    for bar in bars.all():
        expect(bar).to_have_attribute("aria-valuenow", "100", timeout=LIMIT)
    expect(theirs).to_have_attribute("style", FULL)
    shown.run_and_wait(1)
    expect(cells.nth(1)).to_contain_text("100 done ['100', 'done']", timeout=LIMIT)
    # What the kernel sets of one goes through the page to the bar, and on to the other.
    shown.run_and_wait(2)
    for bar in bars.all():
        expect(bar).to_have_attribute("aria-valuenow", "20", timeout=LIMIT)
    expect(handle).to_have_attribute("aria-valuenow", "20.0", timeout=LIMIT)
    shown.run_and_wait(3)
    expect(bars).to_have_count(0, timeout=LIMIT)
    expect(cells.nth(3)).to_contain_text("closed")
