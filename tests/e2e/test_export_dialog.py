"""`pw.export_dialog` in a real JupyterLab: choose, look, export, and the call as code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from gallery import AXE
from page_objects import AXE_RUN, LIMIT, settle, wait_for_answer
from panel_page import KEEP_LIGHT
from pictures import expect_picture
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_process import JupyterProcess
    from page_objects import NotebookPage

pytestmark = pytest.mark.e2e

CELL = """
import polars as pl
import progresswidget as pw
df = pl.DataFrame({"id": range(4), "name": ["Anna", None, "Carl", "Dora"], "price": [1, 2, 3, 4]})
pw.export_dialog(df, "sales.csv")
"""


@pytest.mark.pictures
def test_a_frame_is_narrowed_looked_at_and_exported(
    lab: JupyterProcess, open_notebook: Callable[..., NotebookPage]
) -> None:
    notebook = open_notebook(lab, CELL)
    notebook.run_and_wait(0)
    dialog = notebook.page.get_by_role("region", name="Export", exact=True)
    facts, code = dialog.locator(".pw-preview-facts"), dialog.locator("code")
    expect(facts).to_have_text("4 rows · 46 B", timeout=LIMIT)
    page = notebook.page
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        notebook.command("apputils:change-theme", theme=theme)
        page.wait_for_selector(f"body[data-jp-theme-name='{theme}']", state="attached")
        settle(page)
        assert page.evaluate(AXE_RUN, ".pw-export-dialog") == []
        expect_picture(page.locator(".pw-export-dialog"), f"dialog-{theme.split()[1].lower()}")
    wait_for_answer(page, KEEP_LIGHT)
    dialog.get_by_label("Filter (SQL)").fill("price >")
    expect(dialog.get_by_role("alert")).to_contain_text("The SQL cannot be used", timeout=LIMIT)
    dialog.get_by_label("Filter (SQL)").fill("name IS NOT NULL")
    expect(facts).to_have_text("3 rows · 41 B", timeout=LIMIT)
    dialog.get_by_label("price").uncheck()
    dialog.get_by_label("Delimiter").select_option(";")
    expect(code).to_contain_text('columns=["id", "name"]', timeout=LIMIT)
    expect(dialog.get_by_role("columnheader")).to_have_text(["id", "name"], timeout=LIMIT)
    dialog.get_by_role("button", name="Export").click()
    notebook.wait_for_state("done")
    assert (lab.root / "sales.csv").read_text() == "id;name\n0;Anna\n2;Carl\n3;Dora\n"
    # Once more: the file that is there by now is not replaced without being asked for.
    dialog.get_by_role("button", name="Export").click()
    expect(dialog.get_by_label("Replace the file that is there")).to_be_visible(timeout=LIMIT)
    expect(notebook.bars).to_have_count(1)
