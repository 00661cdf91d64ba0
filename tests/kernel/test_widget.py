"""The traits of an export in a real kernel: who may set them, who hears of them, what is sent."""

from __future__ import annotations

import queue
from typing import TYPE_CHECKING, Any

import pytest
from jupyter_client.manager import start_new_kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jupyter_client.blocking.client import BlockingKernelClient

LIMIT = 120
SETUP = """
import threading
import progresswidget as pw
import pyarrow as pa

schema = pa.schema({"n": pa.int64()})
going = threading.Event()

def batches():
    for number in range(3):
        yield pa.record_batch([pa.array(range(100_000))], schema=schema)
    going.wait(60)

def begin():
    return pw.export(pa.RecordBatchReader.from_batches(schema, batches()), "a.csv", background=True)
"""


class Kernel:
    """A kernel, and what it says on its comms."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client
        self.messages: list[dict[str, Any]] = []

    def run(self, code: str) -> list[dict[str, Any]]:
        """Run a cell to its end; return what it showed and said meanwhile."""
        self.messages = []
        reply = self.client.execute_interactive(
            code, output_hook=self.messages.append, timeout=LIMIT
        )
        assert reply["content"]["status"] == "ok", reply["content"]
        return self.messages

    def printed(self, code: str) -> str:
        return "".join(
            message["content"]["text"]
            for message in self.run(code)
            if message["msg_type"] == "stream"
        )

    def send(self, comm_id: str, data: dict[str, Any], subshell: str | None = None) -> None:
        """Say something on a comm, as a page does."""
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder: Path = tmp_path_factory.mktemp("kernel")
    manager, client = start_new_kernel(cwd=str(folder))
    kernel = Kernel(client)
    kernel.run(SETUP)
    yield kernel
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.context.destroy()


def updates(messages: list[dict[str, Any]], comm_id: str) -> list[dict[str, Any]]:
    """Return the states that were sent to a page on one comm."""
    return [
        message["content"]["data"]["state"]
        for message in messages
        if message["msg_type"] == "comm_msg"
        and message["content"]["comm_id"] == comm_id
        and message["content"]["data"].get("method") == "update"
    ]


def test_an_export_is_followed_to_its_end_while_the_cell_waits(kernel: Kernel) -> None:
    text = kernel.printed(
        """
going.clear()
job = begin()
widget = pw.ExportWidget(job)
seen = []
widget.observe(lambda change: seen.append((change["new"], widget.max, widget.value)), "state")
going.set()
done = job.result()
print(widget.model_id, widget.state, widget.value, widget.max, widget.percent, widget.eta)
print(seen[-1])
"""
    )
    first, last = text.splitlines()
    model_id, *told = first.split()
    # When the result is there the traits have it, and so has the page: in the same message.
    assert told == ["done", "300000", "None", "100.0", "None"]
    assert last == "('done', None, 300000)"
    final = updates(kernel.messages, model_id)[-1]
    assert (final["state"], final["snapshot"]["status"]) == ("done", "done")


def test_what_is_no_job_is_refused_in_words(kernel: Kernel) -> None:
    text = kernel.printed(
        """
try:
    pw.ExportWidget(pa.table({"n": [1]}))
except pw.OptionError as error:
    print(error)
"""
    )
    assert text.startswith("An ExportWidget shows a job, not an object of type Table.")


def test_a_page_cannot_set_what_the_job_decides(kernel: Kernel) -> None:
    model_id = kernel.printed("print(widget.model_id, end='')")
    state = {"value": 5, "state": "failed", "task_id": "x", "description": "Mine"}
    kernel.send(model_id, {"method": "update", "state": state, "buffer_paths": []})
    echo = next(
        message["content"]["data"]["state"]
        for message in incoming(kernel)
        if message["msg_type"] == "comm_msg"
        and message["content"]["data"].get("method") == "echo_update"
    )
    assert (echo["value"], echo["state"], echo["description"]) == (300000, "done", "Mine")
    printed = kernel.printed("print(widget.value, widget.state, widget.description)")
    assert printed == "300000 done Mine\n"


def incoming(kernel: Kernel) -> Iterator[dict[str, Any]]:
    """Return what the kernel says by itself, as it comes."""
    while True:
        try:
            yield kernel.client.get_iopub_msg(timeout=LIMIT)
        except queue.Empty:
            raise AssertionError("the kernel said nothing") from None


def test_buttons_reach_the_job_and_an_observer_may_wait_for_it(kernel: Kernel) -> None:
    model_id = kernel.printed(
        """
going.clear()
job = begin()
widget = pw.ExportWidget(job)
ended = threading.Event()

def wait(change):
    if change["new"] in pw.protocol.TERMINAL:
        try:
            job.result()
        except pw.ExportCancelledError:
            ended.set()

widget.observe(wait, "state")
print(widget.model_id, end="")
"""
    )
    kernel.send(model_id, {"method": "custom", "content": {"action": "cancel"}})
    kernel.send(model_id, {"method": "custom", "content": {"action": "levitate"}})
    kernel.send(model_id, {"method": "custom", "content": ["cancel"]})
    text = kernel.printed("going.set(); print(ended.wait(60), job.state, widget.state)")
    assert text == "True cancelled cancelled\n"


def test_the_output_of_a_widget_can_do_without_it(kernel: Kernel) -> None:
    (output,) = [
        message for message in kernel.run("widget") if message["msg_type"] == "execute_result"
    ]
    data, metadata = output["content"]["data"], output["content"]["metadata"]
    job = "application/vnd.progresswidget.job+json"
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"]
    assert data["text/plain"] == "Export to a.csv"
    assert metadata[job]["widget"] is True
    assert metadata[job]["snapshot"]["status"] == "cancelled"


def test_a_loop_leaves_its_last_state_before_its_cell_ends(kernel: Kernel) -> None:
    messages = kernel.run(
        """
bar = pw.ProgressWidget(max=50_000, description="<Loading>")
display(bar)
for number in range(20_000):
    bar.value = number + 1
"""
    )
    kinds = [message["msg_type"] for message in messages]
    shown = messages[kinds.index("display_data")]["content"]
    kept = messages[kinds.index("update_display_data")]["content"]
    assert shown["data"] == kept["data"]  # what nbval compares
    assert shown["data"]["text/html"] == "<p>&lt;Loading&gt;</p>"
    mime = "application/vnd.progresswidget.progress+json"
    assert kept["metadata"][mime]["value"] == 20_000
    model_id = shown["data"]["application/vnd.jupyter.widget-view+json"]["model_id"]
    sent = updates(messages, model_id)
    values = [state["value"] for state in sent if "value" in state]
    assert values[-1] == 20_000
    assert len(sent) < 200  # ten a second, and not one for each of twenty thousand


def test_a_forked_child_leaves_its_parents_widgets_alone(kernel: Kernel) -> None:
    text = kernel.printed(
        """
import os
pid = os.fork()
if pid == 0:
    bar.value = 7
    os._exit(0)
os.waitpid(pid, 0)
print(bar.value)
"""
    )
    assert text == "20000\n"
    sent = updates(kernel.messages, kernel.printed("print(bar.model_id, end='')"))
    assert [state for state in sent if "value" in state] == []


@pytest.mark.parametrize("shell", ["the main one", "one of its own", "one of its own again"])
def test_buttons_are_heard_on_whichever_shell_the_page_uses(kernel: Kernel, shell: str) -> None:
    # JupyterLab's setting `commsOverSubshells`: none, one for all widgets, or one for each.
    model_id = kernel.printed(
        """
going.clear()
job = begin()
widget = pw.ExportWidget(job)
print(widget.model_id, end="")
"""
    )
    subshell = None if shell == "the main one" else new_subshell(kernel.client)
    action = {"method": "custom", "content": {"action": "cancel"}}
    kernel.send(model_id, action, subshell)
    state = {"description": "By the page", "value": 1}
    kernel.send(model_id, {"method": "update", "state": state, "buffer_paths": []}, subshell)
    heard: dict[str, Any] = {}
    for message in incoming(kernel):
        data = message["content"].get("data", {})
        if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == model_id:
            heard |= data["state"]
        if heard.get("description") == "By the page":
            break
    text = kernel.printed(
        "going.set(); job._settled.wait(60); print(job.state, widget.state, widget.description)"
    )
    assert text == "cancelled cancelled By the page\n"


def new_subshell(client: BlockingKernelClient) -> str:
    """Ask the kernel for one more shell beside that of the cells."""
    message = client.session.msg("create_subshell_request", {})
    client.control_channel.send(message)
    reply = client.get_control_msg(timeout=LIMIT)
    subshell: str = reply["content"]["subshell_id"]
    return subshell


def test_a_page_is_sent_the_code_once(kernel: Kernel) -> None:
    def opened(code: str) -> list[dict[str, Any]]:
        return [
            message["content"] | message["content"]["data"]["state"]
            for message in kernel.run(code)
            if message["msg_type"] == "comm_open" and "snapshot" in str(message["content"])
        ]

    export = 'pw.export(pa.table({"n": [1]}), "b.csv")\n'
    kernel.run(export)
    (second,) = opened(export)
    assert len(second["_esm"]) < 2_000
    first, later = opened("import ipywidgets\nipywidgets.Widget.close_all()\n" + 2 * export)
    assert len(first["_esm"]) > 50_000
    assert "code_of" not in first
    assert len(later["_esm"]) < 2_000
    assert later["code_of"] == first["comm_id"] != second["code_of"]


def test_a_page_that_does_not_know_other_cells_is_sent_the_code_when_it_asks(
    kernel: Kernel,
) -> None:
    export = 'pw.export(pa.table({"n": [1]}), "c.csv")\n'
    (later,) = [
        message["content"]
        for message in kernel.run(2 * export)
        if message["msg_type"] == "comm_open" and "code_of" in str(message["content"])
    ][-1:]
    asked = {"method": "custom", "content": {"ask": "code"}}
    kernel.send(later["comm_id"], asked)
    while True:
        message = kernel.client.get_iopub_msg(timeout=LIMIT)
        data = message["content"].get("data", {})
        if message["msg_type"] == "comm_msg" and data.get("method") == "custom":
            break
    assert "initialize" in data["content"]["code"]
    assert len(data["content"]["code"]) > 50_000
