"""Loops within `pw.group`: parts of it, in a real kernel that has no server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_loop_cells import kernel_without_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from test_loop_cells import Cell


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    with kernel_without_server() as run:
        yield run


def test_the_receipt_of_a_group_does_not_depend_on_the_time_of_its_loops(cell: Cell) -> None:
    code = (
        "with pw.group('all'):\n"
        "    for x in pw.track(range(2), 'first'): time.sleep({first})\n"
        "    for x in pw.tqdm(range(2), 'none of it', leave=False): time.sleep({first})\n"
        "    with pw.tqdm(total=3, desc='second') as bar:\n"
        "        bar.update(3); time.sleep({second})"
    )
    for first, second in [(0, 0), (0.25, 0), (0, 0.4)]:
        outputs = cell(code.format(first=first, second=second))
        assert outputs.receipts == ["✓ all: 3 loops\n  first: 2\n  second: 3"]
        assert [part["title"] for part in outputs.end["parts"] if part["leave"]] == [
            "first",
            "second",
        ]


@pytest.mark.parametrize("seconds", [0, 0.4])
def test_a_group_speaks_of_loops_where_it_makes_no_files(cell: Cell, seconds: float) -> None:
    loop = f"for x in pw.track(range(2), 'p'): time.sleep({seconds / 2})"
    outputs = cell(
        f"with pw.group('outer') as outer:\n    {loop}\n"
        f"    with pw.group('inner'):\n        {loop}\n        {loop}"
    )
    assert outputs.receipts == ["✓ outer: 3 loops\n  p: 2\n  inner: 2 loops"]
    assert (outputs.end["rows"], outputs.end["total"], outputs.end["unit"]) == (3, 3, "loop")
    mixed = cell(
        "import tempfile, pandas as pd\n"
        f"with pw.group('mixed'):\n    {loop}\n"
        "    pw.export(pd.DataFrame({'a': [1]}), tempfile.mkdtemp() + '/a.csv')"
    )
    (receipt,) = mixed.receipts
    assert receipt.splitlines()[0] == "✓ mixed: 1 file"
    assert (mixed.end["rows"], mixed.end["unit"]) == (1, "")


@pytest.mark.parametrize("seconds", [0, 0.4])
def test_loops_of_a_group_that_go_are_counted_and_not_named(cell: Cell, seconds: float) -> None:
    outputs = cell(
        "with pw.group('all'):\n    for n in range(30):\n"
        "        for x in pw.tqdm('a', f'p{n}', leave=False):\n"
        f"            time.sleep({seconds} if n in (3, 25) else 0)"
    )
    assert outputs.receipts == ["✓ all: 30 loops"]


def test_a_group_of_loops_says_so_in_chinese(cell: Cell) -> None:
    cell("import os; os.environ['PROGRESSWIDGET_LANGUAGE'] = 'zh'")
    try:
        outputs = cell("with pw.group('all'):\n    for x in pw.track('ab', 'p'): pass")
        assert outputs.receipts == ["✓ all：1 个循环\n  p：2"]
    finally:
        cell("del os.environ['PROGRESSWIDGET_LANGUAGE']")


def test_many_loops_of_a_group_are_counted_and_not_all_named(cell: Cell) -> None:
    code = (
        "with pw.group('all'):\n"
        "    for n in range(25):\n"
        "        for x in pw.track(range(2), f'loop {n}'): time.sleep({} if n == 22 else 0)"
    )
    for seconds in ("0", "0.25"):
        outputs = cell(code.replace("{}", seconds))
        (receipt,) = outputs.receipts
        named = [f"  loop {n}: 2" for n in range(20)]
        assert receipt.splitlines() == ["✓ all: 25 loops", *named, "  and 5 more"]


@pytest.mark.parametrize(("steps", "said"), [(3, "3"), (1, "stopped at 1 of 3")])
@pytest.mark.parametrize("seconds", [0, 0.4])
def test_a_bar_that_nobody_closes_does_not_hold_its_group_up(
    cell: Cell, steps: int, said: str, seconds: float
) -> None:
    outputs = cell(
        f"with pw.group('all'):\n    bar = pw.tqdm(total=3, desc='open')\n"
        f"    bar.update({steps}); time.sleep({seconds})\n"
        "print('went on')"
    )
    assert outputs.stderr == "went on\n"
    assert outputs.receipts == [f"✓ all: 1 loop\n  open: {said}"]
    later = cell("bar.update(2); print(bar.n); bar.close()")
    assert later.stderr == f"{steps + 2}\n"


@pytest.mark.parametrize("seconds", [0, 0.4])
def test_what_a_loop_raised_and_was_caught_is_not_raised_by_its_group(
    cell: Cell, seconds: float
) -> None:
    for loop in ("with pw.tqdm(total=3, desc='p'):", "for x in pw.track(range(3), 'p'):"):
        outputs = cell(
            f"with pw.group('all') as group:\n    try:\n        {loop}\n"
            f"            time.sleep({seconds}); raise ValueError('caught')\n"
            "    except ValueError: pass\n"
            "print(group.state)"
        )
        assert (outputs.errors, outputs.stderr) == ([], "done\n")
        assert outputs.receipts == ["✓ all: 1 loop\n  p: stopped at 0 of 3"]


@pytest.mark.parametrize("seconds", [0, 0.4])
def test_a_group_that_a_loop_breaks_off_has_ended_with_it(cell: Cell, seconds: float) -> None:
    outputs = cell(
        "with pw.group('all'):\n    for x in pw.track(range(3), 'p'):\n"
        f"        time.sleep({seconds}); 1 / x"
    )
    assert outputs.errors == ["ZeroDivisionError"]
    assert outputs.end["status"] == "failed"
    (part,) = outputs.end["parts"]
    assert (part["status"], part["error"]["message"]) == (
        "failed",
        "ZeroDivisionError: division by zero",
    )


def test_a_task_that_goes_on_beside_a_group_does_not_hold_it_up(cell: Cell) -> None:
    outputs = cell(
        "async def work():\n"
        "    for x in pw.track(range(3), 'beside'):\n"
        "        if x == 1: await go.wait()\n"
        "go = asyncio.Event()\n"
        "with pw.group('all'):\n"
        "    task = asyncio.create_task(work())\n"
        "    await asyncio.sleep(0.4)\n"
        "print('went on')"
    )
    assert (outputs.errors, outputs.stderr) == ([], "went on\n")
    assert cell("go.set(); await task; print(task.exception())").stderr == "None\n"


def test_a_loop_of_a_thread_is_waited_for(cell: Cell) -> None:
    outputs = cell(
        "import contextvars, threading\n"
        "def work():\n"
        "    for x in pw.track(range(2), 'thread'):\n"
        "        begun.set(); may.wait(60)\n"
        "begun, may = threading.Event(), threading.Event()\n"
        "with pw.group('all'):\n"
        "    context = contextvars.copy_context()\n"
        "    thread = threading.Thread(target=context.run, args=(work,))\n"
        "    thread.start(); begun.wait(60)\n"
        "    threading.Timer(0.3, may.set).start()\n"
        "print(may.is_set())"
    )
    assert outputs.stderr == "True\n"
    assert outputs.receipts == ["✓ all: 1 loop\n  thread: 2"]
