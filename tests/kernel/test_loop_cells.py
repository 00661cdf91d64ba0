"""What a cell with loops leaves behind, in a real kernel that has no server."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from jupyter_client.manager import start_new_kernel

from progresswidget.protocol import ENDPOINT_VARIABLE, JOB_MIMETYPE, RECEIPT_MIMETYPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from progresswidget.protocol import Json

    Cell = Callable[[str], "Outputs"]

LIMIT = 120
"""Seconds for a cell."""


class Outputs:
    """The messages of a cell that a notebook keeps."""

    def __init__(self) -> None:
        self.shown: list[Json] = []
        self.receipts: list[str] = []
        self.errors: list[str] = []
        self.count = 0
        self._snapshots: dict[str, Json] = {}

    def take(self, message: Json) -> None:
        self.count += 1
        content = message["content"]
        if message["msg_type"] == "error":
            self.errors.append(content["ename"])
        elif message["msg_type"] in {"display_data", "update_display_data"}:
            if RECEIPT_MIMETYPE in content["data"]:
                self.receipts.append(content["data"]["text/plain"])
                return
            if message["msg_type"] == "display_data":
                self.shown.append(content["data"])
            snapshot = content["metadata"][JOB_MIMETYPE]["snapshot"]
            self._snapshots[snapshot["taskId"]] = snapshot

    @property
    def end(self) -> Json:
        """The last state of the one loop."""
        (snapshot,) = self._snapshots.values()
        return snapshot


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    environment = {name: value for name, value in os.environ.items() if name != ENDPOINT_VARIABLE}
    manager, client = start_new_kernel(kernel_name="python3", env=environment)

    def run(code: str) -> Outputs:
        outputs = Outputs()
        client.execute_interactive(code, output_hook=outputs.take, timeout=LIMIT)
        return outputs

    run("import time, progresswidget as pw")
    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_short_and_long_loops_leave_the_same(cell: Cell) -> None:
    code = "for x in pw.tqdm(range(3), 'files'):\n    time.sleep({})"
    short, long = cell(code.format(0)), cell(code.format(0.25))
    for outputs in (short, long):
        assert outputs.receipts == ["✓ files: 3 it"]
        (data,) = outputs.shown
        assert data["text/plain"] == "files"
        assert data[JOB_MIMETYPE] == {"version": 1, "kind": "task", "name": "files"}
        assert (outputs.end["status"], outputs.end["progress"]) == ("done", 100)


@pytest.mark.parametrize(
    ("code", "status", "rows", "message"),
    [
        ("{loop}\n    if x == 5: break", "done", 5, None),
        ("{loop}\n    if x == 5: break\n1 / 0", "done", 5, None),
        ("def f():\n  {loop}\n    if x == 5: return\nf()\n1 / 0", "done", 5, None),
        ("{loop}\n    1 / (x - 5)", "failed", 5, "ZeroDivisionError: division by zero"),
        ("def f():\n  {loop}\n    [].pop(x)\nf()", "failed", 0, "IndexError: pop from empty list"),
        ("{loop}\n    if x == 9: raise KeyError('last')", "failed", 9, "KeyError: 'last'"),
        ("try:\n  {loop}\n    1 / 0\nexcept ArithmeticError: pass", "done", 0, None),
        (
            "{loop}\n    if x: raise KeyboardInterrupt",
            "interrupted",
            1,
            "Stopped from the notebook.",
        ),
        (
            "def s():\n  yield 1\n  raise OSError('gone')\nfor x in pw.tqdm(s()): pass",
            "failed",
            1,
            "OSError: gone",
        ),
        ("with pw.tqdm(total=3) as bar:\n  bar.update(2)\n  1 / 0", "failed", 2, "ZeroDivision"),
    ],
)
@pytest.mark.parametrize("seconds", [0, 0.4])
def test_how_a_loop_was_left(
    cell: Cell, code: str, status: str, rows: int, message: str | None, seconds: float
) -> None:
    loop = f"for x in pw.tqdm(range(10), 'loop'):\n    time.sleep({seconds} if not x else 0)"
    outputs = cell(code.replace("{loop}", loop))
    end = outputs.end
    assert (end["status"], end["rows"]) == (status, rows)
    assert (end["error"] or {"message": ""})["message"].startswith(message or "")
    assert (end["error"] is None) == (message is None)
    assert len(outputs.receipts) == (status == "done")


def test_inner_loops_are_lines_of_the_outer_one(cell: Cell) -> None:
    outputs = cell(
        "for x in pw.tqdm(range(2), 'outer'):\n"
        "    for y in pw.tqdm(range(3), 'inner'): time.sleep(0.1)"
    )
    assert (len(outputs.shown), outputs.receipts) == (1, ["✓ outer: 2 it"])
    (part,) = outputs.end["parts"]
    assert (part["title"], part["status"], part["parent"]) == (
        "inner",
        "done",
        outputs.end["taskId"],
    )


def test_inner_loops_whose_exceptions_are_caught_have_one_line(cell: Cell) -> None:
    outputs = cell(
        "for x in pw.tqdm(range(50), 'outer'):\n"
        "    time.sleep(0.01)\n"
        "    try:\n"
        "        for y in pw.tqdm(range(3), 'inner'): 1 / 0\n"
        "    except ZeroDivisionError: pass"
    )
    (part,) = outputs.end["parts"]
    assert (part["title"], part["status"], outputs.end["status"]) == ("inner", "done", "done")


def test_ten_million_steps_are_a_handful_of_messages(cell: Cell) -> None:
    outputs = cell("for x in pw.tqdm(range(10_000_000)): pass")
    assert outputs.end["rows"] == 10_000_000
    # Ten a second at most to the widget, and the loop lasts for less than a second.
    assert outputs.count < 200


def test_a_thousand_short_loops_of_a_cell_are_not_a_thousand_outputs(cell: Cell) -> None:
    outputs = cell("for n in range(1000):\n    for x in pw.tqdm(range(3)): pass")
    assert len(outputs.receipts) <= 20
    assert outputs.errors == []


def test_a_short_loop_that_is_to_leave_nothing_leaves_nothing(cell: Cell) -> None:
    outputs = cell("for x in pw.tqdm(range(3), leave=False): pass")
    assert (outputs.shown, outputs.receipts) == ([], [])
