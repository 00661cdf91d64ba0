"""The browser's own downloads as the bar shows them: of growing files, and of slow lines."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from page_objects import LIMIT, NotebookPage
from playwright.sync_api import expect
from test_export_bar import FINISH, LOAD
from test_looks import look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_process import JupyterProcess

pytestmark = pytest.mark.e2e

Opener = Callable[..., NotebookPage]

# As slow as the test wants it: the next piece is written when the test has made the file "go".
SETUP = """
import time
from pathlib import Path

import numpy as np
import progresswidget as pw
import pyarrow as pa

def pieces():
    random = np.random.default_rng(1)
    for number in range(24):
        while number == 12 and not Path("go").exists():
            time.sleep(0.05)
        yield pa.record_batch({"n": random.integers(2**62, size=200_000)})
    while not Path("end").exists():
        time.sleep(0.05)
"""
EXPORT = """
pw.export(pieces, "numbers.csv")
"""
GROWN = """
least => {
  const words = document.querySelector('[data-task-id] .pw-received-words')?.textContent ?? '';
  const found = /([\\d.,]+)\\sMB/.exec(words);
  return found !== null && Number(found[1]) > least;
}
"""


@pytest.fixture
def written(lab: JupyterProcess, open_notebook: Opener) -> NotebookPage:
    """Return a page with an export that stands still in the middle, and goes on when it is told."""
    shown = open_notebook(lab, SETUP, EXPORT)
    shown.page.evaluate("window.jupyterapp.shell.collapseLeft()")
    shown.run_and_wait(0)
    shown.run(1)
    shown.wait_for_state("running")
    return shown


def test_a_file_can_be_downloaded_while_it_is_written(
    written: NotebookPage, lab: JupyterProcess
) -> None:
    with written.page.expect_download(timeout=LIMIT) as download:
        written.button("follow").click()
    received = written.bar.locator(".pw-received")
    expect(received).to_have_attribute("data-state", "running", timeout=LIMIT)
    written.page.wait_for_function(GROWN, arg=1, timeout=LIMIT)
    (job,) = lab.jobs()
    assert job["status"] == "running"
    (lab.root / "go").touch()
    written.page.wait_for_function(GROWN, arg=50, timeout=LIMIT)
    expect(written.bar).to_have_attribute("data-state", "running")
    look(written, "followed", ("JupyterLab Light",))
    (lab.root / "end").touch()
    written.wait_for_state("done")
    assert download.value.failure() is None
    expect(received).to_have_attribute("data-state", "complete", timeout=LIMIT)
    (job,) = lab.jobs()
    assert hashlib.sha256(download.value.path().read_bytes()).hexdigest() == job["sha256"]


def test_a_download_of_an_export_that_is_cancelled_is_no_file(
    written: NotebookPage, lab: JupyterProcess
) -> None:
    with written.page.expect_download(timeout=LIMIT) as download:
        written.button("follow").click()
    received = written.bar.locator(".pw-received")
    written.page.wait_for_function(GROWN, arg=1, timeout=LIMIT)
    written.button("cancel").click()
    (lab.root / "go").touch()
    written.wait_for_state("cancelled")
    assert download.value.failure() is not None
    expect(received).to_have_attribute("data-state", "stopped", timeout=LIMIT)
    expect(received).to_contain_text("Download stopped at")


@pytest.fixture
def limited(lab: JupyterProcess) -> Iterator[Callable[[float], None]]:
    """Return what sets the bytes a second of each download."""

    def limit(rate: float) -> None:
        lab.api("progresswidget/api/limits", "PUT", {"transfer": rate})

    yield limit
    limit(0)


def test_a_slow_download_moves_a_bar_of_its_own(
    lab: JupyterProcess, open_notebook: Opener, limited: Callable[[float], None]
) -> None:
    shown = open_notebook(lab, LOAD, FINISH)
    shown.page.evaluate("window.jupyterapp.shell.collapseLeft()")
    shown.run_and_wait(0)
    shown.run(1)
    shown.wait_for_state("done")
    limited(500_000)
    with shown.page.expect_download(timeout=LIMIT) as download:
        shown.button("download").click()
    received = shown.bar.locator(".pw-received")
    expect(received).to_have_attribute("data-state", "running", timeout=LIMIT)
    track = received.get_by_role("progressbar")
    expect(track).to_have_attribute("aria-label", "Download of flights.csv")
    values = [float(track.get_attribute("aria-valuenow") or 0)]
    limited(2_000_000)
    shown.page.wait_for_function(
        """before => {
          const bar = document.querySelector('.pw-received [role=progressbar]');
          return Number(bar?.getAttribute('aria-valuenow')) > before;
        }""",
        arg=values[0] + 5,
        timeout=LIMIT,
    )
    # Two bars, each with its own value: what was written, and what of it was received.
    expect(shown.bar).to_have_attribute("data-state", "done")
    limited(200_000)
    look(shown, "received")
    assert 0 < float(track.get_attribute("aria-valuenow") or 0) < 100
    limited(0)
    expect(received).to_have_attribute("data-state", "complete", timeout=LIMIT)
    assert download.value.failure() is None
    (job,) = lab.jobs()
    assert hashlib.sha256(download.value.path().read_bytes()).hexdigest() == job["sha256"]
