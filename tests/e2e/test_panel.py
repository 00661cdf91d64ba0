"""The panel with every export and its neighbours, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gallery import JS
from page_objects import LIMIT, SCREENSHOTS, settle, write_notebook
from panel_page import TOTAL, PanelPage, complaints, end, every_state, now, put
from pictures import differences, expect_picture, small, take
from playwright.sync_api import expect
from reports import done_report, make_report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_process import JupyterProcess
    from playwright.sync_api import Browser, BrowserContext

    from progresswidget.protocol import Json

pytestmark = pytest.mark.e2e

NAMES = [
    "flights.parquet",
    "a name that is far too long for the panel 2026-11-26.csv.gz",
    "from a query.csv",
    "costs.xlsx",
    "archive.zip",
    "later.csv",
    "routes.csv",
    "weather.ndjson",
    "copy.feather",
    "sales.parquet",
    "销售 2026.xlsx",
    "notes.md",
]
CHANGING = (".pw-exports-disk", ".pw-export[title*='销售'] .pw-export-name")
"""What another moment or the fonts of another machine change in a picture of the panel."""
CHANGES = {
    ".pw-export { letter-spacing: 0.008em }": False,
    ".pw-exports { filter: brightness(1.02) }": False,
    ".pw-export .pw-icon { visibility: hidden }": True,
    ".pw-export .pw-track { width: 30% }": True,
    ".pw-export-text { margin-left: 24px }": True,
    ".pw-exports-head { height: 30px }": True,
}
"""Whether a person would see it."""
OWN_OF_NOTEBOOK_7 = re.compile("reading 'schema'")
"""Notebook 7.6 raises it by itself."""


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(
        viewport={"width": 1280, "height": 800},
        locale="en-US",
        timezone_id="Europe/Zurich",
        accept_downloads=True,
    )
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    yield context
    context.close()


@pytest.fixture(scope="module")
def shown(context: BrowserContext, servers: Callable[..., JupyterProcess]) -> Iterator[PanelPage]:
    """One page for all tests of this file: JupyterLab takes its time to start."""
    # No kernel reports to these jobs, and none of them is to be missed, or forgotten as one of
    # too many, while a test looks at them.
    options = ["--ProgressExtension.kernel_lease=600", "--ProgressExtension.keep_finished=3000"]
    server = servers("panel", options=options)
    write_notebook(server.root / "work.ipynb", "open('again.txt', 'w').write('done')")
    shown = PanelPage(context.new_page(), server).open()
    shown.command("progresswidget:open")
    yield shown
    server.clear()


@pytest.fixture
def panel(shown: PanelPage) -> Iterator[PanelPage]:
    """The panel with jobs in every state."""
    reports = every_state(shown.server)
    shown.reports = reports
    put(shown.server, reports)
    expect(shown.rows).to_have_count(len(reports), timeout=LIMIT)
    yield shown
    end(shown.server, reports)
    expect(shown.rows).to_have_count(0, timeout=LIMIT)


def test_it_says_what_helps_while_there_is_nothing(shown: PanelPage) -> None:
    expect(shown.panel.get_by_role("status")).to_contain_text("Nothing here yet", timeout=LIMIT)
    expect(shown.panel.get_by_role("status")).to_contain_text("pw.export(df")
    for command in ("pauseAll", "resumeAll", "clear"):
        assert not shown.is_enabled(f"progresswidget:{command}")


def test_every_job_is_there_live_by_one_connection(panel: PanelPage) -> None:
    assert panel.names() == NAMES
    states = [row.get_attribute("data-state") for row in panel.rows.all()]
    ended = ["failed", "interrupted", "cancelled", "done", "done", "done"]
    assert states == ["running"] * 4 + ["paused", "queued", *ended]
    first = panel.row("flights.parquet")
    expect(first).to_contain_text("Writing · 42% · 4 s left")
    newer = panel.reports[0] | {"revision": 2, "progress": 77.7, "eta": 2.0}
    put(panel.server, [newer])
    bar = first.get_by_role("progressbar")
    expect(bar).to_have_attribute("aria-valuenow", "77.7", timeout=LIMIT)
    expect(panel.row("routes.csv")).to_contain_text('Column "route" is a list')
    expect(panel.row("sales.parquet")).to_contain_text("Done · 326.4 kB")
    assert len(panel.sockets) == 1
    assert panel.errors == []
    # Room on the disk: what the done ones take.
    expect(panel.panel.locator(".pw-exports-disk")).to_have_text(re.compile("used$"), timeout=LIMIT)


def test_everybody_can_read_and_use_it(panel: PanelPage) -> None:
    panel.row("flights.parquet").hover()
    assert complaints(panel.page, "#progresswidget-exports") == []


@pytest.mark.pictures
@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark High Contrast"])
def test_it_looks_as_it_did(panel: PanelPage, theme: str) -> None:
    kept = "panel-" + theme.removeprefix("JupyterLab ").replace(" ", "-").lower()
    panel.page.mouse.move(700, 700)
    # Whether the field has the keyboard depends on what was there first when the panel was opened.
    panel.page.evaluate("document.activeElement.blur()")
    panel.theme(theme)
    settle(panel.page)
    expect_picture(panel.panel, kept, without=CHANGING)
    seen = small(take(panel.panel, CHANGING))
    for change, is_wrong in CHANGES.items():
        style = panel.page.add_style_tag(content=change)
        found = differences(take(panel.panel, CHANGING), seen)
        style.evaluate("element => element.remove()")
        assert bool(found) == is_wrong, (change, found)
    panel.theme("JupyterLab Light")


def test_it_is_searched_filtered_and_sorted(panel: PanelPage) -> None:
    field = panel.panel.locator("input[type=search]")
    field.fill("PARQUET")
    expect(panel.rows).to_have_count(2)
    field.fill("nothing of the kind")
    panel.panel.get_by_role("button", name="Show All").click()
    expect(panel.rows).to_have_count(12)
    failed = panel.panel.get_by_role("button", name="Failed 1")
    failed.click()
    expect(panel.rows).to_have_count(1)
    assert panel.names() == ["routes.csv"]
    failed.click()
    panel.panel.get_by_role("button", name="Sort by").click()
    panel.page.locator(".lm-Menu").get_by_text("Name", exact=True).click()
    expect(panel.rows.first).to_contain_text("a name that is far")
    panel.panel.get_by_role("button", name="Sort by").click()
    panel.page.locator(".lm-Menu").get_by_text("Newest", exact=True).click()
    expect(panel.rows.first).to_contain_text("flights.parquet")


def test_the_keyboard_walks_through_it(panel: PanelPage) -> None:
    keys = panel.page.keyboard
    panel.command("filebrowser:activate")
    keys.press("Control+Shift+c")
    palette = panel.page.locator(".lm-CommandPalette:visible")
    palette.locator("input").fill("Show Exports")
    palette.locator("[data-command='progresswidget:open']").click()
    expect(panel.rows.first).to_be_visible()
    panel.command("filebrowser:activate")
    expect(panel.rows.first).to_be_hidden()
    keys.press("Control+Alt+y")
    expect(panel.rows.first).to_be_focused()
    expect(panel.rows.first).to_be_in_viewport()
    keys.press("ArrowDown")
    expect(panel.rows.nth(1)).to_be_focused()
    keys.press("ArrowRight")
    expect(panel.rows.nth(1).get_by_role("button").first).to_be_focused()
    keys.press("End")
    expect(panel.rows.last).to_be_focused()


def test_its_buttons_and_its_menu_do_what_they_say(panel: PanelPage) -> None:
    page, server = panel.page, panel.server
    with page.expect_download(timeout=LIMIT) as started:
        panel.button("sales.parquet", "Download").click()
    assert started.value.path().read_bytes() == (server.root / "out/sales.parquet").read_bytes()

    panel.button("flights.parquet", "Pause").click()
    expect(panel.button("flights.parquet", "Pause")).to_have_count(0)
    wishes = {job["name"]: job["pending"] for job in server.jobs()}
    assert wishes["flights.parquet"] == "pause"

    panel.choose("sales.parquet", "Copy Temporary Link…")
    page.locator(".jp-Dialog").get_by_text("Copy Link", exact=True).click()
    expect(page.locator(".jp-Dialog")).to_contain_text("Link copied")
    page.locator(".jp-Dialog").get_by_text("Close", exact=True).click()

    panel.choose("notes.md", "Remove from List")
    expect(panel.row("notes.md")).to_have_count(0)
    assert (server.root / "out/notes.md").exists()

    panel.choose("销售 2026.xlsx", "Show in File Browser")
    chosen = page.locator(".jp-DirListing-item.jp-mod-selected:visible")
    expect(chosen).to_contain_text("销售 2026.xlsx", timeout=LIMIT)
    panel.command("progresswidget:open")


@pytest.mark.pictures
def test_what_has_ended_is_cleared_and_its_files_stay(panel: PanelPage) -> None:
    panel.panel.get_by_role("button", name=re.compile("^(Clear Finished|Take jobs)")).click()
    dialog = panel.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("6 jobs that have ended leave the list.")
    assert complaints(panel.page, ".jp-Dialog") == []
    expect_picture(panel.page.locator(".jp-Dialog-content"), "dialog-of-clearing")
    dialog.get_by_text("Clear", exact=True).click()
    expect(panel.rows).to_have_count(6)
    assert {job["status"] for job in panel.server.jobs()} == {"queued", "running", "paused"}
    assert (panel.server.root / "out" / "sales.parquet").exists()


@pytest.mark.pictures
def test_the_status_bar_and_what_runs_tell_of_it(panel: PanelPage) -> None:
    item = panel.page.locator(".pw-status")
    expect(item).to_contain_text(re.compile(r"^6 jobs \d+%$"))
    panel.command("running:show-panel")
    section = panel.page.locator(".jp-RunningSessions")
    expect(section.get_by_text("flights.parquet")).to_be_visible(timeout=LIMIT)
    exports = section.locator(".jp-RunningSessions-item", has_text="flights.parquet")
    assert exports.locator(".jp-RunningSessions-itemDetail").inner_text() == "42%"
    settle(panel.page)
    items = section.locator(".jp-RunningSessions-section", has_text="flights.parquet")
    expect_picture(items, "running-light")
    item.get_by_role("button").click()
    expect(panel.rows.first).to_be_visible()
    end(panel.server, panel.reports)
    expect(item).to_be_hidden()


def test_a_cell_is_run_again_from_its_failed_export(panel: PanelPage) -> None:
    # The kernel says to which notebook a job belongs: one whose session there is.
    panel.command("docmanager:open", path="work.ipynb")
    panel.page.wait_for_function(
        "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel", timeout=LIMIT
    )
    (session,) = panel.server.api("api/sessions")
    report = panel.reports[6] | {"kernelId": session["kernel"]["id"], "generation": 2}
    put(panel.server, [report])
    panel.panel.get_by_role("button", name="Failed 1").click()
    panel.button("routes.csv", "Run Cell Again").click()
    panel.page.wait_for_function(
        "/done|4/.test(document.querySelector('.jp-OutputArea-output')?.textContent)", timeout=LIMIT
    )
    assert (panel.server.root / "again.txt").read_text() == "done"

    # The button of the notebook shows its own exports alone.
    panel.panel.get_by_role("button", name="Failed 1").click()
    panel.page.locator(".jp-NotebookPanel-toolbar [data-command='progresswidget:notebook']").click()
    expect(panel.rows).to_have_count(1)
    assert panel.names() == ["routes.csv"]
    panel.panel.get_by_role("button", name="work.ipynb").click()
    expect(panel.rows).to_have_count(12)


@pytest.mark.pictures
def test_an_end_is_told_once_in_two_pages(panel: PanelPage) -> None:
    """By a setting that takes effect at once: every end, however short."""
    panel.command("settingeditor:open", query="Exports")
    field = panel.page.locator("input[id$=noticeAfter]")
    field.fill("0", timeout=LIMIT)
    field.blur()
    other = PanelPage(panel.page.context.new_page(), panel.server).open()
    other.command("progresswidget:open")
    expect(other.rows).to_have_count(12, timeout=LIMIT)
    expect(panel.page.locator(".jp-SettingsForm")).to_be_visible()
    file = panel.server.root / "out" / "flights.parquet"
    file.write_bytes(b"y" * 1000)
    done = {"taskId": panel.reports[0]["taskId"], "pid": os.getpid(), "ended": now()}
    put(panel.server, [done_report(file, **done)])
    failed = {"status": "failed", "revision": 2, "ended": now(), "error": panel.reports[6]["error"]}
    put(panel.server, [panel.reports[2] | failed])
    pages = (panel.page, other.page)
    texts = lambda: [  # noqa: E731
        text for page in pages for text in page.locator(".Toastify__toast").all_inner_texts()
    ]
    for name in ("flights.parquet is ready", "from a query.csv has failed"):
        panel.until(lambda name=name: any(name in text for text in texts()))
    assert len(texts()) == 2
    told, warned = (
        next(page for page in pages if page.get_by_text(text).count())
        for text in ("flights.parquet is ready", "from a query.csv has failed")
    )
    with told.expect_download(timeout=LIMIT) as started:
        told.locator(".Toastify__toast").get_by_text("Download", exact=True).click()
    assert started.value.path().read_bytes() == file.read_bytes()
    # One that nobody has asked to close itself.
    notice = ".Toastify__toast--error"
    assert complaints(warned, notice) == []
    expect_picture(warned.locator(notice), "notice")
    assert other.errors == panel.errors == []
    other.page.close()


def test_its_shortcut_is_nobody_elses() -> None:
    schemas = Path(sys.prefix) / "share" / "jupyter" / "lab" / "schemas"
    taken = {
        tuple(sorted(part.split()))
        for file in schemas.glob("*/*/*.json")
        for shortcut in json.loads(file.read_text()).get("jupyter.lab.shortcuts", ())
        for part in shortcut["keys"]
    }
    assert len(taken) > 50
    own = json.loads((JS / "schema" / "exports.json").read_text())["jupyter.lab.shortcuts"]
    assert own
    for shortcut in own:
        assert tuple(sorted(shortcut["keys"][0].split())) not in taken


@pytest.mark.faults
def test_two_thousand_are_as_quick_as_twelve(shown: PanelPage) -> None:
    """As many rows are in the page as before, and the last is one key away."""
    shown.command("progresswidget:open")
    reports: list[Json] = []
    for number in range(2000):
        ended: dict[str, Any] = {"status": "cancelled", "ended": now(), "total": TOTAL}
        created = now() - 1000 * number
        reports.append(make_report(name=f"export {number}.csv", created=created, **ended))
    put(shown.server, reports)
    expect(shown.panel.get_by_role("button", name="Cancelled 2,000")).to_be_visible(timeout=LIMIT)
    assert shown.rows.count() < 40
    shown.command("progresswidget:open")
    shown.page.keyboard.press("End")
    expect(shown.row("export 1999.csv")).to_be_focused()
    shown.page.screenshot(path=SCREENSHOTS / "panel 2000.png")
    end(shown.server, [])
    expect(shown.rows).to_have_count(0, timeout=LIMIT)


@pytest.mark.faults
def test_in_chinese(context: BrowserContext, servers: Callable[..., JupyterProcess]) -> None:
    """Menus, panel and settings, with JupyterLab's own language pack."""
    server = servers("chinese", locale="zh_CN")
    put(server, every_state(server))
    shown = PanelPage(context.new_page(), server).open()
    shown.command("progresswidget:open")
    expect(shown.rows).to_have_count(12, timeout=LIMIT)
    assert shown.label("progresswidget:open") == "显示导出"
    expect(shown.panel.get_by_role("button", name="进行中 4")).to_be_visible()
    shown.command("settingeditor:open", query="导出")
    settings = shown.page.locator(".jp-SettingsPanel, .jp-SettingsForm").first
    expect(settings).to_contain_text("状态栏中的进度", timeout=LIMIT)
    expect(shown.page.locator(".jp-PluginList")).to_contain_text("导出")
    shown.page.screenshot(path=SCREENSHOTS / "panel chinese.png")
    assert shown.errors == []
    shown.page.close()


@pytest.mark.parametrize(
    "where", ["tree", "notebook", pytest.param("console", marks=pytest.mark.faults)]
)
def test_nothing_breaks_in_notebook_7(
    context: BrowserContext, notebook7: JupyterProcess, where: str
) -> None:
    write_notebook(notebook7.root / "work.ipynb", "1 + 1")
    reports = every_state(notebook7)
    put(notebook7, reports)
    shown = PanelPage(context.new_page(), notebook7)
    shown.open({"tree": None, "notebook": "work.ipynb", "console": "consoles/console-1"}[where])
    if where == "tree":
        shown.page.get_by_role("tab", name="Running").click()
        section = shown.page.locator(".jp-RunningSessions-section")
        expect(section.get_by_text("flights.parquet")).to_be_visible(timeout=LIMIT)
        shown.page.screenshot(path=SCREENSHOTS / "panel tree.png")
    elif where == "notebook":
        button = "[data-command='progresswidget:notebook']"
        shown.page.locator(f".jp-NotebookPanel-toolbar {button}").click(timeout=LIMIT)
        expect(shown.panel).to_be_visible()
        shown.panel.get_by_role("button", name="work.ipynb").click()
        expect(shown.rows).to_have_count(12, timeout=LIMIT)
        shown.page.screenshot(path=SCREENSHOTS / "panel notebook.png")
    expect(shown.page.locator(".pw-status")).to_have_count(0)
    assert [error for error in shown.errors if not OWN_OF_NOTEBOOK_7.search(error)] == []
    shown.page.close()
    end(notebook7, reports)
