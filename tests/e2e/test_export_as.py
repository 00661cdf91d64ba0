"""The file browser's "Export As…": a table as another format, without a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from page_objects import LIMIT, file_browser_url, settle
from panel_page import complaints
from pictures import expect_picture
from playwright.sync_api import expect
from test_file_menu import FileBrowser

if TYPE_CHECKING:
    from pathlib import Path

    from jupyter_process import JupyterProcess
    from playwright.sync_api import Page

pytestmark = pytest.mark.e2e

EXPORT = "Export As…"


def open_files(page: Page, server: JupyterProcess) -> FileBrowser:
    """Open the file browser on a folder with a table and what is none."""
    names = ["Anna", "Björn", "陈"]
    table = pa.table({"id": range(3), "name": names, "price": [1.5, 2.5, None]})
    pq.write_table(table, server.root / "sales.parquet")
    (server.root / "notes.txt").write_text("no table")
    page.goto(file_browser_url(server))
    return FileBrowser(page, server, server).ready()


def written(page: Page, path: Path) -> str:
    """Return what a file holds once its bar says that it is there."""
    bar = page.locator(".pw-conversion", has_text=path.name)
    expect(bar.get_by_role("button", name="Close")).to_be_visible(timeout=LIMIT)
    return path.read_text()


@pytest.mark.pictures
def test_a_table_becomes_a_file_of_another_format_by_mouse_and_keyboard(
    lab: JupyterProcess, page: Page
) -> None:
    files = open_files(page, lab)
    expect(files.menu("notes.txt").get_by_text(EXPORT)).to_be_hidden()
    page.keyboard.press("Escape")
    files.choose(EXPORT, "sales.parquet")
    dialog = files.dialog
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("sales.csv", timeout=LIMIT)
    settle(page)
    expect_picture(page.locator(".jp-Dialog-content"), "dialog-of-export-as")
    dialog.get_by_text("More options").click()
    assert complaints(page, ".pw-export-body") == []
    dialog.get_by_label("Format").select_option("tsv")
    expect(dialog.get_by_label("Name", exact=True)).to_have_value("sales.tsv")
    dialog.get_by_label("Format").select_option("csv")
    dialog.get_by_label("Delimiter").select_option(";")
    files.press("Export")
    expected = "id;name;price\n0;Anna;1.5\n1;Björn;2.5\n2;陈;\n"
    assert written(page, lab.root / "sales.csv") == expected
    expect(files.item("sales.csv")).to_be_visible(timeout=LIMIT)
    assert complaints(page, ".pw-conversion") == []
    rows = page.locator(".pw-transfers:visible")
    expect_picture(rows, "conversion", without=(".pw-numbers",))
    # The keyboard goes on in the files below.
    rows.get_by_role("button", name="Close sales.csv").press("Enter")
    expect(rows).to_have_count(0)
    expect(page.locator(".jp-DirListing:visible :focus")).to_have_count(1)

    # The same again: the name is taken, and both are kept; by keyboard alone.
    files.choose(EXPORT, "sales.parquet")
    expect(dialog.get_by_label("Format")).to_be_focused(timeout=LIMIT)
    name = dialog.get_by_label("Name", exact=True)
    name.fill("a/b.csv")
    name.press("Enter")
    expect(dialog.get_by_role("alert")).to_have_text("A name must not contain a slash.")
    expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    dialog.get_by_label("Name", exact=True).fill("sales.csv")
    dialog.get_by_label("Name", exact=True).press("Enter")
    expect(dialog).to_contain_text("is in this folder already")
    page.keyboard.press("Enter")
    expect(files.item("sales (1).csv")).to_be_visible(timeout=LIMIT)
    assert written(page, lab.root / "sales (1).csv").startswith("id,name,price\n")
    assert (lab.root / "sales.csv").read_text() == expected

    # Whoever thinks better of it is among the files again.
    files.choose(EXPORT, "sales.parquet")
    expect(dialog.get_by_label("Format")).to_be_focused(timeout=LIMIT)
    page.keyboard.press("Escape")
    expect(page.locator(".jp-DirListing:visible :focus")).to_have_count(1)

    # Words of the engine reach the person.
    files.choose(EXPORT, "sales.parquet")
    dialog.get_by_label("Name", exact=True).fill("broken.csv")
    dialog.get_by_text("More options").click()
    dialog.get_by_label("Dates as").fill("%Q")
    files.press("Export")
    bar = page.locator(".pw-conversion", has_text="broken.csv")
    expect(bar).to_contain_text("date_format", timeout=LIMIT)


def test_it_is_in_notebook_7_too(notebook7: JupyterProcess, page: Page) -> None:
    files = open_files(page, notebook7)
    files.choose(EXPORT, "sales.parquet")
    files.dialog.get_by_label("Format").select_option("ndjson")
    files.press("Export")
    assert written(page, notebook7.root / "sales.ndjson").splitlines()[0] == (
        '{"id":0,"name":"Anna","price":1.5}'
    )
