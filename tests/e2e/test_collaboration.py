"""Two people on one notebook with jupyter-collaboration: one output and one live bar for both."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import collaboration
import pytest
from jupyter_process import JupyterProcess
from page_objects import LIMIT, NotebookPage, write_notebook
from playwright.sync_api import Browser, expect

pytestmark = [pytest.mark.e2e, pytest.mark.faults]

Servers = Callable[..., JupyterProcess]
Both = tuple[NotebookPage, NotebookPage]

LOAD = """
import time
from pathlib import Path
import pyarrow as pa
import progresswidget as pw

schema = pa.schema({"n": pa.int64()})

def slowly(batches=None):
    while batches != 0 and not Path("enough").exists():
        batches = batches and batches - 1
        time.sleep(0.1)
        yield pa.record_batch([pa.array(range(1000))], schema=schema)
"""
EXPORT = """
pw.export(pa.RecordBatchReader.from_batches(schema, slowly()), "slow.csv")
"""
GRACE = 5_000
"""Milliseconds, the longest in `lab/turns.ts`."""
SHORT = """
pw.export(pa.RecordBatchReader.from_batches(schema, slowly(10)), "short.csv")
"""

OUTPUTS = """
() => [...window.jupyterapp.shell.currentWidget.content.model.cells].map(cell =>
  (cell.outputs?.toJSON() ?? []).map(output => {
    const own = output.metadata?.['application/vnd.progresswidget.job+json'];
    if (own) return `${own.taskId} ${own.snapshot?.status}`;
    const receipt = 'application/vnd.progresswidget.receipt+json' in (output.data ?? {});
    return receipt ? 'receipt' : output.output_type;
  }))
"""


@pytest.fixture
def server(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterProcess]:
    history = tmp_path_factory.mktemp("history") / "ystore.db"  # else in the current folder
    server = servers(
        "collaboration",
        python=str(collaboration.python()),
        variables=collaboration.variables(),
        options=[f"--SQLiteYStore.db_path={history}"],
    )
    yield server
    server.clear()


@pytest.fixture
def both(browser: Browser, server: JupyterProcess) -> Iterator[Both]:
    """Two browsers, which share nothing but the server."""
    write_notebook(server.root / "test.ipynb", LOAD, EXPORT, SHORT)
    contexts = [browser.new_context(viewport={"width": 1100, "height": 700}) for _ in "ab"]
    pages = [NotebookPage(context.new_page(), server, "test.ipynb") for context in contexts]
    for page in pages:
        page.open()
    yield pages[0], pages[1]
    for context in contexts:
        context.close()


RECEIPT = "receipt"


def outputs(shown: NotebookPage, cell: int) -> list[str]:
    found: list[list[str]] = shown.page.evaluate(OUTPUTS)
    return found[cell]


def wait_for_outputs(both: Both, cell: int, *expected: str) -> None:
    """Wait until both pages have these outputs in the document, and no others."""
    for shown in both:
        shown.page.wait_for_function(
            f"""([cell, expected]) => {{
              const outputs = ({OUTPUTS})()[cell].map(text => text.split(' ').at(-1));
              return JSON.stringify(outputs) === JSON.stringify(expected);
            }}""",
            arg=[cell, list(expected)],
            timeout=LIMIT,
        )


def same_outputs(both: Both, cell: int, *expected: str) -> str:
    """Wait until both pages have these outputs; return the task id, which is the same."""
    wait_for_outputs(both, cell, *expected)
    first, second = (outputs(shown, cell)[0].split()[0] for shown in both)
    assert first == second
    return first


def wait_for_states(both: Both, state: str) -> None:
    """Wait until each page has one bar, live, in this state."""
    for shown in both:
        shown.wait_for_state(state)
        expect(shown.bars).to_have_count(1)
        expect(shown.bar).to_have_attribute("data-connection", "live")


def settle(both: Both) -> None:
    """Give a page that would write a second output the time in which it does."""
    for shown in both:
        shown.page.wait_for_timeout(2 * GRACE)


def test_one_export_is_one_output_and_one_live_bar(both: Both, server: JupyterProcess) -> None:
    first, _second = both
    first.run_and_wait(0)
    first.run(1)
    wait_for_states(both, "running")
    task = same_outputs(both, 1, "queued")
    for shown in both:
        shown.reload()
    wait_for_states(both, "running")
    settle(both)
    assert same_outputs(both, 1, "queued") == task
    (server.root / "enough").touch()
    wait_for_states(both, "done")
    # The page that had run the cell has gone: the end is written by one of those that are there.
    assert same_outputs(both, 1, "done") == task
    settle(both)
    assert same_outputs(both, 1, "done") == task


def test_the_end_is_written_once_while_both_look_on(both: Both) -> None:
    first, second = both
    first.run_and_wait(0)
    second.run(2)
    wait_for_states(both, "done")
    task = same_outputs(both, 2, "done", RECEIPT)
    settle(both)
    assert same_outputs(both, 2, "done", RECEIPT) == task
    for shown in both:
        shown.reload()
    wait_for_states(both, "done")
    assert same_outputs(both, 2, "done", RECEIPT) == task


def test_a_lost_output_is_put_back_by_one_of_two_pages(both: Both) -> None:
    first, second = both
    first.run_and_wait(0)
    first.run(1)
    wait_for_states(both, "running")
    task = same_outputs(both, 1, "queued")
    # What is lost is lost for both; a page that saw it go takes it for a person's wish.
    second.command("notebook:clear-all-cell-outputs")
    wait_for_outputs(both, 1)
    for shown in both:
        shown.reload()
    wait_for_states(both, "running")
    settle(both)
    for shown in both:
        expect(shown.bars).to_have_count(1)
        assert [text.split()[0] for text in outputs(shown, 1)] == [task]


def test_a_kernel_that_is_restarted_leaves_one_interrupted_bar(
    both: Both, server: JupyterProcess
) -> None:
    first, second = both
    first.run_and_wait(0)
    second.run(1)
    wait_for_states(both, "running")
    task = same_outputs(both, 1, "queued")
    (kernel,) = server.api("api/kernels")
    server.api(f"api/kernels/{kernel['id']}/restart", "POST")
    wait_for_states(both, "interrupted")
    settle(both)
    for shown in both:
        own = [text for text in outputs(shown, 1) if text.startswith(task)]
        assert own == [f"{task} interrupted"]
