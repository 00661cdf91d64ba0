"""Transfers of Python in a real notebook: without a token, and the bars say what happens."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest
from odd_server import OddServer
from page_objects import LIMIT, NotebookPage, write_notebook
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_process import JupyterProcess
    from playwright.sync_api import Page

MIB = 2**20
CONTENT = random.Random(12).randbytes(20 * MIB)

pytestmark = pytest.mark.faults


@pytest.fixture
def slow() -> Iterator[OddServer]:
    """A server elsewhere that stops in the middle of the file."""
    server = OddServer(CONTENT)
    server.gate, server.free = threading.Event(), 12 * MIB
    yield server
    server.gate.set()
    server.close()


def test_a_kernel_moves_files_from_and_to_its_server_without_a_token(
    lab: JupyterProcess, page: Page
) -> None:
    (lab.root / "data.bin").write_bytes(CONTENT)
    write_notebook(
        lab.root / "own.ipynb",
        "import progresswidget as pw\npw.download('contents/data.bin', 'down.bin')",
        "pw.upload('down.bin', 'contents/up.bin')",
        "job = pw.export([{'a': 1}], 'small.csv')\npw.download(job.url, 'again.csv')",
        "pw.download('contents/missing.bin')",
    )
    notebook = NotebookPage(page, lab, "own.ipynb").open()
    for cell in range(4):
        notebook.run_and_wait(cell)
    assert (lab.root / "up.bin").read_bytes() == CONTENT
    assert (lab.root / "again.csv").read_bytes() == (lab.root / "small.csv").read_bytes()
    page.locator("[data-task-id][data-state=failed]").wait_for(timeout=LIMIT)
    expect(page.locator("[data-task-id][data-state=done]")).to_have_count(4, timeout=LIMIT)
    # What went wrong is said in the bar and in one line below it, not by where in our code.
    error = page.locator(".jp-Cell").nth(3).inner_text()
    assert "There is no such file" in error
    assert "Traceback" not in error


def test_a_download_of_a_kernel_that_was_restarted_goes_on_when_the_cell_runs_again(
    lab: JupyterProcess, page: Page, slow: OddServer
) -> None:
    write_notebook(
        lab.root / "restarted.ipynb",
        f"import progresswidget as pw\njob = pw.download('{slow.url}', 'a.bin', connections=1)",
        "print('reused', job.reused > 0)",
    )
    notebook = NotebookPage(page, lab, "restarted.ipynb").open()
    notebook.run(0)
    notebook.wait_for_motion(above=45)

    notebook.restart_kernel()
    bar = notebook.wait_for_state("interrupted")
    assert "export" not in bar.inner_text().lower()
    assert slow.gate is not None
    slow.gate.set()
    notebook.run_and_wait(0)
    notebook.run_and_wait(1)
    assert "reused True" in page.locator(".jp-Cell").nth(1).inner_text()
    assert (lab.root / "a.bin").read_bytes() == CONTENT
