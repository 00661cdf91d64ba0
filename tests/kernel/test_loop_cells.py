"""What a cell with loops leaves behind, in a real kernel that has no server."""

from __future__ import annotations

import os
from contextlib import contextmanager
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
        self.texts: list[str] = []
        self.errors: list[str] = []
        self.stderr = ""
        self.last = ""
        """The title of the bar that was shown or refreshed last."""
        self.count = 0
        self.order: list[str] = []
        """The texts of all that a notebook compares, as they stand in the cell."""
        self.messages: list[Json] = []
        self._snapshots: dict[str, Json] = {}

    def take(self, message: Json) -> None:
        self.count += 1
        self.messages.append(message)
        content = message["content"]
        if message["msg_type"] in {"display_data", "execute_result"}:
            self.order.append(content["data"]["text/plain"])
        if message["msg_type"] == "stream":
            self.stderr += content["text"]
        elif message["msg_type"] == "error":
            self.errors.append(content["ename"])
        elif message["msg_type"] in {"display_data", "update_display_data"}:
            if RECEIPT_MIMETYPE in content["data"]:
                self.receipts.append(content["data"]["text/plain"])
                return
            if JOB_MIMETYPE not in content["data"]:
                self.texts.append(content["data"]["text/plain"])
                return
            if message["msg_type"] == "display_data":
                self.shown.append(content["data"])
            snapshot = content["metadata"][JOB_MIMETYPE]["snapshot"]
            self._snapshots[snapshot["taskId"]] = snapshot
            self.last = snapshot["title"]

    @property
    def titles(self) -> list[str]:
        """What the bars are called that it began, in their order."""
        return [data["text/plain"] for data in self.shown]

    @property
    def ends(self) -> list[tuple[str, str, int, float | None]]:
        """The last state of each loop: its title, status, steps and percent."""
        return [
            (known["title"], known["status"], known["rows"], known["progress"])
            for known in self._snapshots.values()
        ]

    @property
    def own_ends(self) -> list[tuple[str, int, float | None]]:
        """The last state of each loop that it began, for one of before may end meanwhile."""
        return [end[1:] for end in self.ends if end[0] in self.titles]

    @property
    def end(self) -> Json:
        """The last state of the one loop."""
        (snapshot,) = self._snapshots.values()
        return snapshot


@contextmanager
def kernel_without_server() -> Iterator[Cell]:
    """Start a kernel, and give what runs a cell in it."""
    environment = {name: value for name, value in os.environ.items() if name != ENDPOINT_VARIABLE}
    manager, client = start_new_kernel(kernel_name="python3", env=environment)

    def run(code: str) -> Outputs:
        outputs = Outputs()
        client.execute_interactive(code, output_hook=outputs.take, timeout=LIMIT)
        return outputs

    run("import asyncio, time, progresswidget as pw")
    try:
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    with kernel_without_server() as run:
        yield run


def test_short_and_long_loops_leave_the_same(cell: Cell) -> None:
    code = "for x in pw.tqdm(range(3), 'files'):\n    time.sleep({})"
    short, long = cell(code.format(0)), cell(code.format(0.25))
    for outputs in (short, long):
        assert outputs.receipts == ["✓ files: 3"]
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
    assert (len(outputs.shown), outputs.receipts) == (1, ["✓ outer: 2"])
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
    assert (len(outputs.receipts), len(outputs.shown)) == (20, 20)
    assert outputs.texts == ["and 980 more"]
    assert outputs.errors == []


@pytest.mark.parametrize(("leave", "texts"), [(True, ["and 20 more"]), (False, [])])
def test_sixty_loops_that_fail_do_not_flood_a_cell(
    cell: Cell, *, leave: bool, texts: list[str]
) -> None:
    code = (
        "for _ in range(60):\n"
        "    try:\n"
        f"        with pw.tqdm(total=3, leave={leave}): raise ValueError\n"
        "    except ValueError: pass"
    )
    outputs = cell(code)
    assert (len(outputs.shown), outputs.texts) == (40, texts)
    assert {status for _, status, *_ in outputs.ends} == {"failed"}


def test_a_bar_that_is_left_with_its_loop_by_an_exception_has_failed(cell: Cell) -> None:
    code = (
        "try:\n    with pw.tqdm(range(5), 'p') as bar:\n        for x in bar: [].pop()\n"
        "except IndexError: pass"
    )
    outputs = cell(code)
    assert outputs.end["status"] == "failed"
    assert outputs.end["error"]["message"] == "IndexError: pop from empty list"


def test_what_a_cell_leaves_does_not_depend_on_the_time(cell: Cell) -> None:
    code = (
        "for n in range(25):\n"
        "    for x in pw.tqdm(range(2), f'loop {n}'): time.sleep({} if n in {2, 23} else 0)"
    )
    short, long = cell(code.replace("{}", "0")), cell(code.replace("{}", "0.25"))
    for outputs in (short, long):
        assert outputs.titles == [f"loop {n}" for n in range(20)]
        assert outputs.receipts == [f"✓ loop {n}: 2" for n in range(20)]
        assert outputs.texts == ["and 5 more"]
    # One that runs for long and has no output is shown in the place of the last that has one.
    assert "loop 23" not in [title for title, *_ in short.ends]
    assert ("loop 23", "running") in [known[:2] for known in long.ends]
    assert long.last == "loop 19"


OPEN = {
    "whole": ("p = pw.tqdm(total=10, desc='p')\nfor _ in range(10): p.update()", "done", 10),
    "part": ("p = pw.tqdm(total=10, desc='p')\np.update(4)", "running", 4),
    "unknown": ("p = pw.tqdm(desc='p')\np.update(4)", "running", 4),
    "caught": (
        "try:\n    p = pw.tqdm(total=5, desc='p')\n    1 / 0\nexcept ArithmeticError: pass",
        "running",
        0,
    ),
    "kept by IPython": ("pw.track(range(3), 'p')", "running", 0),
    "half a generator": (
        (
            "def half():\n    yield from pw.track(range(9), 'p')\n"
            "some = half()\n_ = [next(some) for _ in '123']"
        ),
        "running",
        2,
    ),
}


@pytest.mark.parametrize("name", OPEN)
def test_a_bar_that_is_left_open_hides_none_of_later_cells(cell: Cell, name: str) -> None:
    code, status, rows = OPEN[name]
    for outputs in (cell(code), cell(code)):  # the cell is run again
        assert outputs.titles == ["p"]
        assert outputs.ends[-1][:3] == ("p", status, rows)
        assert outputs.receipts == (["✓ p: 10"] if status == "done" else [])
    for long in (0, 0.2):
        later = cell(f"for x in pw.track(range(2), 'later'): time.sleep({long})")
        assert (later.titles, later.receipts) == (["later"], ["✓ later: 2"])
        assert later.end["parent"] is None


def test_bars_that_nobody_closes_have_a_card_each(cell: Cell) -> None:
    code = (
        "for f in range(3):\n    p = pw.tqdm(total=4, desc=f'file{f}')\n"
        "    for _ in range({}):\n        p.update(); time.sleep({})"
    )
    cell("p = None")
    for seconds in ("0", "0.1"):
        whole = cell(code.replace("{}", "4", 1).replace("{}", seconds))
        assert whole.titles == ["file0", "file1", "file2"]
        assert whole.receipts == [f"✓ file{f}: 4" for f in range(3)]
        assert whole.own_ends == [("done", 4, 100)] * 3
        part = cell(code.replace("{}", "3", 1).replace("{}", seconds))
        assert part.titles == ["file0", "file1", "file2"]
        assert part.receipts == [f"file{f}: stopped at 3 of 4" for f in range(2)]
        assert [end[0] for end in part.own_ends] == ["done", "done", "running"]
        cell("p = None")
    two = cell(
        "a = pw.tqdm(total=1, desc='a')\na.update()\nb = pw.tqdm(total=1, desc='b')\nb.update()"
    )
    assert two.receipts == ["✓ a: 1", "✓ b: 1"]


def test_a_bar_that_later_cells_feed_goes_on_where_it_began(cell: Cell) -> None:
    begun = cell("bar = pw.tqdm(total=10, desc='fed')\nbar.update(2)")
    assert begun.ends == [("fed", "running", 2, 20)]
    fed = cell("bar.update(3)\nfor x in pw.track(range(2), 'beside'): pass")
    assert (fed.titles, fed.receipts) == (["beside"], ["✓ beside: 2"])
    ended = cell("bar.update(5)\nbar.close()")
    # The card is that of the first cell, and so are its updates.
    assert (ended.titles, ended.receipts) == ([], [])
    assert ended.ends == [("fed", "done", 10, 100)]
    assert ended.end["taskId"] == begun.end["taskId"]


def test_a_bar_that_is_reset_after_its_cell_has_a_card_in_the_next(cell: Cell) -> None:
    cell("again = pw.tqdm(total=2, desc='again')\nagain.update(2)")
    outputs = cell("again.reset()\nagain.update(2)\nagain.close()")
    assert (outputs.titles, outputs.receipts) == (["again"], ["✓ again: 2"])


def test_asynchronous_tasks_have_loops_of_their_own(cell: Cell) -> None:
    work = (
        "async def work(name, steps):\n"
        "    for x in pw.track(range(steps), name): await asyncio.sleep(0.1)\n"
    )
    side = cell(work + "_ = await asyncio.gather(work('a', 2), work('b', 8))")
    assert side.titles == ["a", "b"]
    assert side.receipts == ["✓ a: 2", "✓ b: 8"]
    within = cell(
        work + "for x in pw.track(range(1), 'both'):\n"
        "    await asyncio.gather(work('a', 4), work('b', 4))"
    )
    assert (within.titles, within.receipts) == (["both"], ["✓ both: 1"])
    assert {part["title"] for part in within.end["parts"]} == {"a", "b"}


def test_bars_of_a_notebook_are_as_different_as_on_a_terminal(cell: Cell) -> None:
    outputs = cell(
        "a, b = pw.tqdm(total=1), pw.tqdm(total=1)\n"
        "off = [pw.tqdm(disable=True), pw.tqdm(disable=True)]\n"
        "print(a == a, a == b, a < b, b > a, off[0] == off[1], [a, b].index(b))\n"
        "print(a.display(), a.refresh())\n"
        "a.moveto(2); a.clear(); a.close(); b.close()"
    )
    assert outputs.errors == []
    assert outputs.stderr == "True False True True False 1\nTrue True\n"


@pytest.mark.parametrize("where", ["in the task", "in the cell"])
def test_a_task_beside_a_cell_that_fails_ends_its_loop_by_itself(cell: Cell, where: str) -> None:
    begun = cell(
        "def make():\n"
        "    global bar\n"
        "    bar = pw.tqdm(range(4), 'beside')\n"
        "async def work():\n"
        f"    if {where == 'in the task'}: make()\n"
        "    for x in bar:\n"
        "        if x == 1: await go.wait()\n"
        "go = asyncio.Event()\n"
        f"if {where == 'in the cell'}: make()\n"
        "task = asyncio.create_task(work())\n"
        "await asyncio.sleep(0.5)\n"
        "1 / 0"
    )
    assert begun.errors == ["ZeroDivisionError"]
    assert [end[:3] for end in begun.ends] == [("beside", "running", 1)]
    # Its card is that of the first cell.
    ended = cell("go.set(); await task; print(bar.job.state, bar.job.rows, bar.job.error)")
    assert ended.stderr == "done 4 None\n"


def test_a_task_that_fails_beside_a_cell_that_fails_tells_its_own_error(cell: Cell) -> None:
    outputs = cell(
        "async def fail():\n"
        "    for x in pw.track(range(4), 'own'):\n"
        "        await asyncio.sleep(0.4)\n"
        "        if x == 1: raise LookupError('gone')\n"
        "task = asyncio.create_task(fail())\n"
        "await asyncio.wait([task])\n"
        "[].pop()"
    )
    assert outputs.errors == ["IndexError"]
    assert (outputs.end["status"], outputs.end["rows"]) == ("failed", 1)
    assert outputs.end["error"]["message"] == "LookupError: gone"
    # asyncio goes on to tell of what nobody has asked for.
    assert "never retrieved" in cell("import gc\ndel task\n_ = gc.collect()").stderr


@pytest.mark.parametrize(
    ("code", "receipt", "percent"),
    [
        (
            "for x in pw.track(range(100), 'p', unit='page'):\n    if x == 42: break",
            "p: stopped at 42 of 100 page",
            42,
        ),
        ("for x in pw.track(iter([1, 2, 3]), 'p'):\n    if x == 3: break", "p: stopped at 2", None),
        ("p = pw.tqdm(total=3, desc='p')\np.close()", "p: stopped at 0 of 3", 0),
        ("for x in pw.track([1, 2], 'p', total=9): pass", "✓ p: 2", 100),
        ("p = pw.tqdm(total=3, desc='p')\np.update(5)\np.close()", "✓ p: 5", 100),
        ("for x in pw.track(range(6), 'p', unit='month'): pass", "✓ p: 6 month", 100),
        (
            "p = pw.tqdm(total=2.5, desc='p')\np.update(2.0)\np.close()",
            "p: stopped at 2 of 2.5",
            80,
        ),
        (
            "p = pw.tqdm(total=1.0, desc='p')\np.update(0.8)\np.close()",
            "p: stopped at 0.8 of 1",
            80,
        ),
        (
            "p = pw.tqdm(total=1.0, desc='p')\nfor _ in range(10): p.update(0.1)\np.close()",
            "✓ p: 1",
            100,
        ),
        (
            (
                "p = pw.tqdm(total=1000, unit='km', unit_scale=0.001, desc='p')\n"
                "p.update(500)\np.close()"
            ),
            "p: stopped at 0.5 of 1 km",
            50,
        ),
        (
            (
                "p = pw.tqdm(total=4000, unit='kg', unit_scale=0.5, desc='p')\n"
                "p.total = 8000\nfor _ in range(8): p.update(1000)\np.close()"
            ),
            "✓ p: 4,000 kg",
            100,
        ),
        (
            (
                "p = pw.tqdm(total=10**9, unit='iB', unit_scale=True, desc='p')\n"
                "p.update(10**9)\np.close()"
            ),
            "✓ p: 1.0 GB",
            100,
        ),
        (
            (
                "import numpy as np\np = pw.tqdm(total=12, desc='p')\n"
                "for _ in range(3): p.update(np.ones(3, bool).sum())\n"
                "p.update(np.float32(3))\np.close()"
            ),
            "✓ p: 12",
            100,
        ),
        (
            (
                "import numpy as np\np = pw.tqdm(total=np.int64(12), desc='p')\n"
                "p.update(np.int8(3))\np.close()"
            ),
            "p: stopped at 3 of 12",
            25,
        ),
    ],
)
def test_what_a_receipt_says(cell: Cell, code: str, receipt: str, percent: float | None) -> None:
    outputs = cell(code)
    assert outputs.receipts == [receipt]
    assert outputs.end["progress"] == percent


def test_nothing_that_fails_in_a_bar_reaches_the_loop(cell: Cell) -> None:
    outputs = cell(
        "class Odd:\n    def __str__(self): raise RuntimeError('no words')\n"
        "bar = pw.tqdm(range(3), 'p')\n"
        "bar.job.title = Odd()\n"
        "for x in bar: time.sleep(0.2)\n"
        "for x in pw.tqdm(range(3), 'next'): pass"
    )
    assert outputs.errors == []
    assert outputs.receipts == ["✓ next: 3"]
    assert outputs.stderr.count("no words\n") <= 3
