"""What a cell shows, in a real kernel: the bundle, the receipt, and nothing that varies in it."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bleach  # type: ignore[import-untyped]
import pytest
from jupyter_client.manager import start_new_kernel

from progresswidget import protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jupyter_client.blocking.client import BlockingKernelClient

WIDGET = "application/vnd.jupyter.widget-view+json"


# What GitHub keeps of HTML, by the documentation of html-pipeline, its sanitiser. No attribute
# counts: neither classes nor styles pass.
GITHUB = """
h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del sup sub p picture ol ul
table thead tbody tfoot blockquote dl dt dd kbd q samp var hr ruby rt rp li tr td th s
strike summary details caption figure figcaption abbr bdo cite dfn mark small source span
time wbr
"""
# The types that VS Code draws without an extension (its notebook API's guide), best first.
VS_CODE = (
    *("application/javascript", "text/html", "image/svg+xml", "text/markdown", "image/png"),
    *("image/jpeg", "text/plain"),
)


class Kernel:
    """A kernel that runs cells and returns what they show."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client

    def run(self, code: str) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        reply = self.client.execute_interactive(code, output_hook=messages.append, timeout=120)
        assert reply["content"]["status"] == "ok", reply["content"]
        return [message for message in messages if message["msg_type"] != "status"]

    def shown(self, code: str) -> list[dict[str, Any]]:
        kinds = {"display_data", "execute_result", "update_display_data", "stream"}
        return [message for message in self.run(code) if message["msg_type"] in kinds]


@pytest.fixture
def kernel(tmp_path: Path, no_server: None) -> Iterator[Kernel]:
    manager, client = start_new_kernel(cwd=str(tmp_path))
    yield Kernel(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.context.destroy()


def test_a_source_tree_whose_widget_is_not_built_exports_all_the_same(
    tmp_path: Path, no_server: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = shutil.ignore_patterns("static", "js", "labextension", "__pycache__")
    copy = tmp_path / "tree" / "progresswidget"
    shutil.copytree(Path(protocol.__file__).parents[1], copy, ignore=left_out)
    monkeypatch.setenv("PYTHONPATH", str(copy.parent))
    manager, client = start_new_kernel(cwd=str(tmp_path))
    try:
        kernel = Kernel(client)
        kernel.run(SETUP)
        shown = kernel.shown("pw.export(frame, 'a.csv'); print(pw.__file__)")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.context.destroy()
    said = "".join(each["content"].get("text", "") for each in shown)
    assert str(copy) in said
    assert "the widget is not built" in said
    bar, *_ = (each["content"]["data"] for each in shown if each["msg_type"] == "display_data")
    assert (bar["text/plain"], WIDGET in bar) == ("Export to a.csv", False)
    assert (tmp_path / "a.csv").exists()


SETUP = "import pandas as pd, progresswidget as pw; frame = pd.DataFrame({'a': range(1000)})"


def test_a_blocking_export_shows_a_bar_and_a_receipt(kernel: Kernel) -> None:
    kernel.run(SETUP)
    shown = kernel.shown("pw.export(frame, 'a <b>.csv', index=False)")
    bar, update, receipt = shown  # and no fourth output for the returned job
    assert bar["msg_type"] == "display_data"
    data = bar["content"]["data"]
    assert data[protocol.JOB_MIMETYPE] == {"version": 1, "kind": "export", "name": "a <b>.csv"}
    assert data[WIDGET]["model_id"]
    assert data["text/plain"] == "Export to a <b>.csv"
    assert data["text/html"] == "<p>Export to a &lt;b&gt;.csv</p>"
    metadata = bar["content"]["metadata"][protocol.JOB_MIMETYPE]
    assert metadata["server"] is False
    assert metadata["snapshot"]["taskId"] == metadata["taskId"]

    # The update brings the end into the metadata and leaves the data alone, as nbval needs it.
    assert update["msg_type"] == "update_display_data"
    assert update["content"]["data"] == data
    final = update["content"]["metadata"][protocol.JOB_MIMETYPE]["snapshot"]
    assert final["status"] == "done"
    assert final["rows"] == 1000
    assert final["path"] == "a <b>.csv"  # a saved notebook tells nobody where its folders are

    assert receipt["content"]["data"]["text/plain"] == "✓ a <b>.csv: 1,000 rows × 1 column, CSV"
    marked = "<p>✓ <b>a &lt;b&gt;.csv</b>: 1,000 rows × 1 column, CSV</p>"
    assert receipt["content"]["data"]["text/html"] == marked


def test_a_receipt_says_the_same_on_github_and_in_vs_code(kernel: Kernel) -> None:
    kernel.run(SETUP)
    alone = kernel.shown("pw.export(frame, '<img src=x onerror=y> & é.csv', index=False)")[-1]
    code = "with pw.group('All'):\n for name in 'ab': pw.export(frame, f'{name}.csv', index=False)"
    group = kernel.shown(code)[-1]
    for message, lines in ((alone, 1), (group, 3)):
        data = message["content"]["data"]
        assert protocol.RECEIPT_MIMETYPE in data
        (drawn, *_) = [data[kind] for kind in VS_CODE if kind in data]
        assert drawn == data["text/html"]
        assert bleach.clean(drawn, tags=GITHUB.split(), attributes={}, strip=True) == drawn
        # And what is left when all markup is gone is the receipt in words.
        words = html.unescape(re.sub(r"<[^>]+>", "", drawn.replace("<li>", "\n"))).split()
        assert words == data["text/plain"].split()
        assert len(data["text/plain"].splitlines()) == lines
    assert "<img src=x onerror=y> & é.csv: 1,000 rows" in alone["content"]["data"]["text/plain"]


def test_two_runs_show_the_same_data(kernel: Kernel) -> None:
    kernel.run(SETUP)

    def data() -> list[dict[str, Any]]:
        shown = kernel.shown("pw.export(frame, 'a.csv')")
        kept = [message["content"]["data"] for message in shown]
        for bundle in kept:
            bundle.pop(WIDGET, None)
        return kept

    assert data() == data()


def test_a_job_is_shown_again_where_it_is_asked_for(kernel: Kernel) -> None:
    kernel.run(SETUP)
    assert len(kernel.shown("job = pw.export(frame, 'a.csv')")) == 3
    (again,) = kernel.shown("job")
    assert again["msg_type"] == "display_data"
    assert again["content"]["data"]["text/plain"] == "a.csv: 1,000 rows × 2 columns, CSV"


def test_a_background_job_leaves_its_receipt_where_it_is_waited_for(kernel: Kernel) -> None:
    kernel.run(SETUP)
    (bar,) = kernel.shown("job = pw.export(frame, 'a.csv', background=True)")
    assert bar["content"]["data"]["text/plain"] == "Export to a.csv"
    (receipt,) = kernel.shown("result = job.result()")
    assert receipt["content"]["data"]["text/plain"] == "✓ a.csv: 1,000 rows × 2 columns, CSV"
    assert kernel.shown("result = await job") == []


def test_a_forked_worker_shows_nothing(kernel: Kernel) -> None:
    kernel.run(SETUP + "; import multiprocessing as mp, warnings; warnings.simplefilter('ignore')")
    code = "with mp.get_context('fork').Pool(1) as pool:\n    rows = pool.apply(lambda_, ())\nrows"
    kernel.run("def lambda_(): return pw.export(frame, 'child.parquet').rows")
    shown = kernel.shown(code)
    assert [m["content"]["data"].get("text/plain") for m in shown] == ["1000"]


def test_the_widget_follows_the_job(kernel: Kernel) -> None:
    kernel.run(SETUP)
    messages = kernel.run("pw.export(frame, 'a.csv')")
    opened = [m for m in messages if m["msg_type"] == "comm_open"]
    models = [m["content"]["data"]["state"] for m in opened]
    (state,) = [model for model in models if "snapshot" in model]
    assert state["server"] is False
    assert state["background"] is False
    updates = [
        m["content"]["data"]["state"]["snapshot"]
        for m in messages
        if m["msg_type"] == "comm_msg" and "snapshot" in m["content"]["data"].get("state", {})
    ]
    assert updates[-1]["status"] == "done"


def test_a_cancelled_export_ends_the_cell_with_the_reason(kernel: Kernel, tmp_path: Path) -> None:
    kernel.run(SETUP)
    kernel.run(
        "import threading, time, pyarrow as pa\n"
        "schema = pa.schema([('n', pa.int64())])\n"
        "def batches():\n"
        "    for n in range(100_000):\n"
        "        time.sleep(0.01)\n"
        "        yield pa.record_batch([pa.array([n])], schema=schema)\n"
    )
    messages: list[dict[str, Any]] = []
    code = (
        "reader = pa.RecordBatchReader.from_batches(schema, batches())\n"
        "import progresswidget.job\n"
        "def cancel():\n"
        "    while not (found := list(progresswidget.job._active)):\n"
        "        time.sleep(0.01)\n"
        "    found[0].cancel()\n"
        "threading.Thread(target=cancel).start()\n"
        "pw.export(reader, 'slow.csv')"
    )
    reply = kernel.client.execute_interactive(code, output_hook=messages.append, timeout=60)
    assert reply["content"]["ename"] == "ExportCancelledError"
    assert "open it anew" in reply["content"]["evalue"]
    updates = [m for m in messages if m["msg_type"] == "update_display_data"]
    final = updates[-1]["content"]["metadata"][protocol.JOB_MIMETYPE]["snapshot"]
    assert final["status"] == "cancelled"
    assert list(tmp_path.iterdir()) == []
