"""Loops of the processes that a kernel starts: lines in the card of its cell, until their end.

Each is what people write: a pool, processes, a script; and nothing is passed to them for the bars.
"""

from __future__ import annotations

import contextvars
import json
import os
from typing import TYPE_CHECKING

import pytest
from jupyter_client.manager import start_new_kernel
from test_loop_cells import Outputs

from progresswidget.loops.jobs.children import Children
from progresswidget.loops.jobs.job import LoopJob
from progresswidget.loops.jobs.parent import Mailbox
from progresswidget.loops.mortality import place
from progresswidget.protocol import ENDPOINT_VARIABLE, JOB_MIMETYPE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from progresswidget.protocol import Json

LIMIT = 120
"""Seconds for a cell."""
WORK = """
import os, signal, time
import progresswidget as pw

def may(name):
    while not os.path.exists(name):
        time.sleep(0.01)

def quick(number):
    for _ in pw.tqdm(range(number), f"file {number}"):
        pass
    return number

def fail(number):
    for step in pw.tqdm(range(10), f"file {number}"):
        if step == number:
            raise ValueError("no column named price")

def divide(number):
    for step in pw.tqdm(range(10), f"file {number}"):
        1 / (number - step)

def waiting(number):
    for step in pw.tqdm(range(10), f"file {number}"):
        if step == 5:
            open(f"ready-{number}", "w").close()
            may("go")
            if number == 1:
                os.kill(os.getpid(), signal.SIGKILL)

def nested(number):
    for epoch in pw.tqdm(range(2), f"model {number}"):
        for batch in pw.tqdm(range(3), "batches", leave=False):
            for row in pw.tqdm(range(2), "rows", leave=False):
                may("go")

def obedient(number):
    for step in pw.track(range(10**9), "pages", cancellable=True):
        time.sleep(0.01)
"""


class Cell:
    """Runs cells in one kernel, and remembers the state of their cards."""

    def __init__(self, folder: Path) -> None:
        leave_out = {ENDPOINT_VARIABLE, "PROGRESSWIDGET_PARENT"}
        environment = {name: value for name, value in os.environ.items() if name not in leave_out}
        (folder / "work.py").write_text(WORK)
        self.manager, self.client = start_new_kernel(
            kernel_name="python3", env=environment, cwd=str(folder)
        )
        self.cards: dict[str, Json] = {}
        self("import multiprocessing, threading, time, os, work, progresswidget as pw")
        self("from concurrent.futures import ProcessPoolExecutor")
        self("spawn, fork = map(multiprocessing.get_context, ('spawn', 'fork'))")

    def __call__(self, code: str) -> Outputs:
        outputs = Outputs()

        def take(message: Json) -> None:
            outputs.take(message)
            metadata = message["content"].get("metadata", {})
            if JOB_MIMETYPE in metadata:
                snapshot = metadata[JOB_MIMETYPE]["snapshot"]
                self.cards[snapshot["title"]] = snapshot

        self.cards.clear()
        self.client.execute_interactive(code, output_hook=take, timeout=LIMIT)
        return outputs

    def lines(self, title: str) -> list[tuple[str, str, int]]:
        """Return the lines of a card: title, status and steps."""
        parts = self.cards[title]["parts"]
        return sorted((part["title"], part["status"], part["rows"]) for part in parts)


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cell, Path]]:
    folder = tmp_path_factory.mktemp("children")
    cell = Cell(folder)
    yield cell, folder
    cell.client.stop_channels()
    cell.manager.shutdown_kernel(now=True)


@pytest.fixture
def cell(started: tuple[Cell, Path]) -> Cell:
    cell, folder = started
    for path in (folder / "go", *folder.glob("ready-*")):
        path.unlink(missing_ok=True)
    return cell


POOLS = {
    "spawn": "with spawn.Pool(2) as pool:\n    pool.map(work.{}, [1, 2, 3])",
    "fork": "with fork.Pool(2) as pool:\n    pool.map(work.{}, [1, 2, 3])",
    "futures": "with ProcessPoolExecutor(2, mp_context=spawn) as pool:\n"
    "    list(pool.map(work.{}, [1, 2, 3]))",
    "joblib": "import joblib\njoblib.Parallel(2)(joblib.delayed(work.{})(n) for n in [1, 2, 3])",
    "script": "import subprocess, sys\nfor n in 1, 2, 3:\n"
    "    subprocess.run([sys.executable, '-c', f'import work; work.{}({{n}})'])",
}


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_quick_ones_are_counted_in_one_card(cell: Cell, pool: str) -> None:
    outputs = cell(pool.replace("{}", "quick").replace("{{n}}", "{n}"))
    assert outputs.errors == []
    assert outputs.stderr == ""  # no line of text from the processes
    assert outputs.titles == ["Worker processes"]
    assert outputs.receipts == ["✓ Worker processes: 3"]
    card = cell.cards["Worker processes"]
    assert (card["status"], card["rows"], card["total"], card["progress"]) == ("done", 3, 3, 100)


def test_they_are_lines_of_the_loop_around_them(cell: Cell) -> None:
    code = """
    with pw.tqdm(total=3, desc="files") as bar, spawn.Pool(3) as pool:
        for _ in pool.imap_unordered(work.quick, [1, 2, 3], 1):
            bar.update()
        while len(bar.job.card.lines) < 1:
            time.sleep(0.01)
    """
    outputs = cell("if 1:" + code)
    assert outputs.titles == ["files"]
    assert outputs.receipts == ["✓ files: 3"]
    assert {status for _, status, _ in cell.lines("files")} == {"done"}


def test_one_that_fails_says_why_and_one_that_is_killed_that_it_is_gone(cell: Cell) -> None:
    code = """
    started = [spawn.Process(target=work.waiting, args=(n,)) for n in range(3)]
    started.append(spawn.Process(target=work.fail, args=(4,)))
    started.append(spawn.Process(target=work.divide, args=(6,)))
    for process in started:
        process.start()
    from progresswidget.loops.jobs import nursery
    def lines():
        children = nursery._nursery._children
        found = [] if children is None else list(children._loops.values())
        return sorted(loop.title for loop in found if loop.rows == 5)
    while lines() != ["file 0", "file 1", "file 2"]:
        time.sleep(0.01)
    open("go", "w").close()
    for process in started:
        process.join()
    """
    outputs = cell("if 1:" + code)
    assert outputs.errors == []
    assert cell.lines("Worker processes") == [
        ("file 0", "done", 10),
        ("file 1", "interrupted", 5),
        ("file 2", "done", 10),
        ("file 4", "failed", 4),
        ("file 6", "failed", 6),
    ]
    reasons = {part["title"]: part["error"] for part in cell.cards["Worker processes"]["parts"]}
    assert reasons["file 4"]["message"] == "ValueError: no column named price"
    assert reasons["file 6"]["message"] in {
        "ZeroDivisionError: division by zero",
        "An exception ended it.",  # before Python 3.12, where it is no object yet
    }
    assert reasons["file 1"]["code"] == "process-died"
    assert reasons["file 0"] is None
    assert outputs.receipts == ["Worker processes: stopped at 2 of 5"]


@pytest.mark.parametrize("pool", ["spawn", "futures"])
def test_what_a_pool_sends_elsewhere_is_said_as_well(cell: Cell, pool: str) -> None:
    outputs = cell(POOLS[pool].replace("{}", "fail"))
    assert outputs.errors == ["ValueError"]
    lines = cell.lines("Worker processes")
    assert lines == [(f"file {number}", "failed", number) for number in (1, 2, 3)]


def test_loops_within_theirs_are_lines_as_well(cell: Cell) -> None:
    code = """
    process = spawn.Process(target=work.nested, args=(1,))
    process.start()
    from progresswidget.loops.jobs import nursery
    def lines():
        children = nursery._nursery._children
        return [] if children is None else [loop.title for loop in children._loops.values()]
    while sorted(lines()) != ["batches", "model 1", "rows"]:
        time.sleep(0.01)
    open("go", "w").close()
    process.join()
    """
    outputs = cell("if 1:" + code)
    assert outputs.errors == []
    assert ("model 1", "done", 2) in cell.lines("Worker processes")
    # One that nobody needed for a second is over, and the next one at its place is counted anew.
    (receipt,) = outputs.receipts
    assert receipt.startswith("✓ Worker processes: ")


def test_what_is_asked_of_one_reaches_it(cell: Cell) -> None:
    code = """
    process = spawn.Process(target=work.obedient, args=(1,))
    process.start()
    from progresswidget.loops.jobs import nursery
    def loop():
        children = nursery._nursery._children
        return None if children is None else next(iter(children._loops.values()), None)
    while loop() is None:
        time.sleep(0.01)
    found = loop()
    found.pause()
    while found.state != "paused":
        time.sleep(0.01)
    steps = found.rows
    found.resume()
    while found.rows <= steps:
        time.sleep(0.01)
    found.cancel()
    process.join()
    assert process.exitcode == 1
    """
    outputs = cell("if 1:" + code)
    assert outputs.errors == []
    ((_, status, rows),) = cell.lines("Worker processes")
    assert status == "cancelled"
    assert rows > 0


def test_those_that_go_on_after_the_cell_end_later(cell: Cell) -> None:
    begun = cell(
        "process = spawn.Process(target=work.waiting, args=(7,))\nprocess.start()\n"
        "while not os.path.exists('ready-7'): time.sleep(0.01)\n"
        "from progresswidget.loops.jobs import nursery\n"
        "def at_work():\n"
        "    children = nursery._nursery._children\n"
        "    return children is not None and children.at_work\n"
        "while not at_work(): time.sleep(0.01)"
    )
    assert begun.errors == []
    assert begun.titles == ["Worker processes"]
    assert begun.receipts == []
    assert cell.cards["Worker processes"]["status"] == "running"
    later = cell("open('go', 'w').close()\nprocess.join()\nwhile at_work(): time.sleep(0.01)")
    assert later.errors == []
    assert later.titles == []
    assert cell.cards["Worker processes"]["status"] == "done"


def test_the_folder_is_the_users_alone_and_keeps_nothing(cell: Cell) -> None:
    outputs = cell(
        "with spawn.Pool(1) as pool:\n    pool.map(work.quick, [1])\n"
        "folder = os.environ['PROGRESSWIDGET_PARENT']\n"
        "assert os.stat(folder).st_mode & 0o777 == 0o700\n"
    )
    assert outputs.errors == []
    assert cell("assert os.listdir(folder) == []").errors == []


def test_a_process_without_a_kernel_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from progresswidget.loops.jobs.parent import mailbox

    monkeypatch.delenv("PROGRESSWIDGET_PARENT", raising=False)
    assert mailbox() is None
    here, parent = place(), os.getppid()
    for owner in (f"{os.getpid()}@{here}", f"{2**22 + 1}@{here}", f"{parent}@elsewhere", "nobody"):
        monkeypatch.setenv("PROGRESSWIDGET_PARENT", f"/tmp/progresswidget-{owner}-0123")
        assert mailbox() is None
    monkeypatch.setenv("PROGRESSWIDGET_PARENT", f"/tmp/progresswidget-{parent}@{here}-0123")
    assert mailbox() is not None


def states() -> tuple[Json, Json]:
    """Return what a loop tells in its middle and at its end."""
    steps = [1]
    loop = LoopJob("files", lambda: steps[0], total=3)
    loop.begin()
    line = loop.ensure_line()
    middle = line.report()
    steps[0] = 3
    loop.end()
    return middle, line.report()


@pytest.mark.usefixtures("no_server")
def test_what_a_thread_has_read_before_the_end_is_not_told_after_it(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / f"progresswidget-{os.getppid()}@{place()}-0123")
    middle, end = states()
    mailbox.report(end)
    mailbox.report(middle)
    (file,) = mailbox._folder.iterdir()
    assert json.loads(file.read_text())["status"] == "done"


@pytest.mark.usefixtures("no_server")
def test_an_end_that_has_the_time_of_the_middle_is_seen(tmp_path: Path) -> None:
    middle, end = states()
    children = Children(tmp_path)
    file = tmp_path / middle["taskId"]
    file.write_text(json.dumps(middle))
    known = file.stat().st_mtime_ns
    children.look(contextvars.copy_context())
    assert children.at_work
    file.write_text(json.dumps(end))
    os.utime(file, ns=(known, known))
    children.look(contextvars.copy_context())
    assert not children.at_work
    root = children.take_idle_root()
    assert root is not None
    assert (root.finished, root.begun) == (1, 1)
    root.end()


def test_two_threads_that_look_first_look_for_one_card(cell: Cell) -> None:
    code = """
    from progresswidget.loops.jobs import children, nursery
    found, made, both = nursery._nursery, [], threading.Barrier(2)
    class Noted(children.Children):
        def __init__(self, folder):
            made.append(super().__init__(folder))
            try:
                both.wait(1)
            except threading.BrokenBarrierError:
                pass
    os.makedirs(found.folder, mode=0o700, exist_ok=True)
    found._children, children.Children = None, Noted
    looking = [threading.Thread(target=found.look) for _ in range(2)]
    for thread in looking:
        thread.start()
    for thread in looking:
        thread.join()
    found._children, children.Children = None, Noted.__base__
    assert len(made) == 1
    """
    assert cell("if 1:" + code).errors == []


def test_what_is_told_in_the_last_moment_of_a_cell_is_in_its_card(cell: Cell) -> None:
    code = """
    from progresswidget.loops.jobs import nursery
    found = nursery._nursery
    def run(folder, number):
        os.environ["PROGRESSWIDGET_PARENT"] = folder
        process = spawn.Process(target=work.quick, args=(number,))
        process.start()
        process.join()
        os.environ["PROGRESSWIDGET_PARENT"] = str(found.folder)
    aside = f"{found.folder}0"
    run(aside, 1)
    run(str(found.folder), 2)
    (late,) = os.listdir(aside)
    def last():
        if threading.current_thread() is threading.main_thread():
            del found.look
            thread = threading.Thread(target=found._look_on)  # it may have its turn just here
            thread.start()
            thread.join()
            os.replace(f"{aside}/{late}", found.folder / late)
            os.rmdir(aside)
        type(found).look(found)
    found.look = last
    """
    outputs = cell("if 1:" + code)
    assert outputs.errors == []
    assert outputs.titles == ["Worker processes"]
    assert outputs.receipts == ["\N{CHECK MARK} Worker processes: 2"]
