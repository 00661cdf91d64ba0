"""What a person does with the bar of an ended export, in a real JupyterLab on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from page_objects import LIMIT, NotebookPage, wait_for_answer
from playwright.sync_api import Page, expect
from test_looks import dismiss_dialogs

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_process import JupyterProcess

pytestmark = pytest.mark.e2e

# It waits in the middle until it is told to go on, however slow or quick the machine is.
STEPS = """
import pathlib, time
import progresswidget as pw
import pyarrow as pa

many = pa.table({"n": range(200_000), "text": ["some text"] * 200_000})

def batches():
    for number, batch in enumerate(many.to_batches(max_chunksize=20_000)):
        while number == 5 and not pathlib.Path("go on").exists():
            time.sleep(0.1)
        yield batch

pw.export(pa.RecordBatchReader.from_batches(many.schema, batches()), "steps.csv")
"""

COPIED_ADDRESS = """async () => {
  const text = await navigator.clipboard.readText();
  return text.startsWith('http') && text;
}"""


def test_an_interrupted_export_is_continued_and_its_file_is_shown_and_linked(
    lab: JupyterProcess, open_notebook: Callable[..., NotebookPage], page: Page
) -> None:
    shown = open_notebook(lab, STEPS)
    shown.run(0)
    shown.wait_for_state("running")
    dismiss_dialogs(shown)
    shown.restart_kernel()
    shown.wait_for_state("interrupted")
    (lab.root / "go on").touch()
    shown.button("continue").click(timeout=LIMIT)
    shown.wait_for_state("done")
    expect(shown.bars).to_have_count(1)

    shown.button("reveal").click(timeout=LIMIT)
    chosen = page.locator(".jp-DirListing-item.jp-mod-selected", has_text="steps.csv")
    expect(chosen).to_be_visible(timeout=LIMIT)

    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown.button("link").click(timeout=LIMIT)
    url: Any = wait_for_answer(page, COPIED_ADDRESS)
    # Without a cookie: whoever has the link can read the file.
    browser = page.context.browser
    assert browser is not None
    stranger = browser.new_context()
    answer = stranger.request.get(url)
    assert answer.status == 200
    assert answer.body() == (lab.root / "steps.csv").read_bytes()
    stranger.close()
