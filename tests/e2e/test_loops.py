"""Loops in a page: nested ones that are reloaded, those of processes, quick ones, and buttons."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest
from page_objects import LIMIT, SCREENSHOTS, NotebookPage, dismiss_dialogs, settle
from playwright.sync_api import WebSocket, expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_process import JupyterProcess

pytestmark = pytest.mark.e2e

SETUP = """
import os, time
import progresswidget as pw

def may(step):
    # The test says how far the loop goes.
    while int(open("limit").read() or 0) <= step:
        time.sleep(0.02)
"""
NESTED = """
for epoch in pw.track(range(100), "epochs"):
    for batch in pw.tqdm(range(20), "batches", leave=False):
        pass
    may(epoch)
"""
DEEPER = """
for fold in pw.tqdm(range(3), "folds"):
    for epoch in pw.tqdm(range(4), "epochs"):
        for batch in pw.tqdm(range(5), "batches"):
            may(60 * fold + 20 * epoch + batch)
            if fold == 1 and batch == 3:
                break
        if fold == 1:
            break
    if fold == 1:
        break
"""
WORKERS = """
import os, signal, time
import progresswidget as pw

def own(number):
    for step in pw.tqdm(range(50), f"file {number}"):
        while step == 20 and not os.path.exists("go"):
            time.sleep(0.02)
        if number == 3 and step == 20:
            os.kill(os.getpid(), signal.SIGKILL)

def work(reporter, number):
    for step in range(50):
        if number == 3 and step == 10:
            os.kill(os.getpid(), signal.SIGKILL)
        reporter.update()
        time.sleep(0.01)
"""
PROCESSES = """
import multiprocessing, workers

with pw.tqdm(total=400, desc="files") as bar:
    context = multiprocessing.get_context("spawn")
    reporter = bar.reporter()
    started = [context.Process(target=workers.work, args=(reporter, n)) for n in range(8)]
    for process in started:
        process.start()
    for process in started:
        process.join()
"""
OWN = """
started = [context.Process(target=workers.own, args=(n,)) for n in range(8)]
for process in started:
    process.start()
for process in started:
    process.join()
"""
QUICK = """
for number in pw.tqdm(range(10_000_000), "quick"):
    pass
"""
OBEDIENT = """
for number in pw.track(range(1_000_000), "pages", cancellable=True):
    time.sleep(0.01)
"""
FAILING = """
for number in pw.tqdm(range(100), "rows"):
    time.sleep(0.01)
    if number == 60:
        raise ValueError("no column named price")
"""
GOING = """
for item in pw.tqdm(range(3), "short", leave=False): pass
for item in pw.tqdm(range(3), "long", leave=False): time.sleep(0.2)
try:
    with pw.tqdm(total=3, desc="failing", leave=False): raise ValueError("seen")
except ValueError: pass
"""


def allow(lab: JupyterProcess, steps: int) -> None:
    """Let the loop go so far."""
    place = lab.root / "limit.new"
    place.write_text(str(steps))
    place.replace(lab.root / "limit")


def at(percent: int) -> str:
    return f".pw-job > [role=progressbar][aria-valuenow='{percent}']"


def picture(shown: NotebookPage, name: str) -> None:
    SCREENSHOTS.mkdir(exist_ok=True)
    settle(shown.page)
    shown.bar.screenshot(path=SCREENSHOTS / f"loops-{name}.png")


def test_nested_loops_are_back_after_a_reload_and_in_a_second_tab(
    lab: JupyterProcess, open_notebook: Callable[..., NotebookPage]
) -> None:
    allow(lab, 40)
    shown = open_notebook(lab, SETUP, NESTED)
    shown.run_and_wait(0)
    shown.run(1)
    expect(shown.page.locator(at(40))).to_be_visible(timeout=LIMIT)
    expect(shown.bar.locator("[data-part=rows]")).to_have_text("40 of 100")
    # It said nowhere that it would obey.
    expect(shown.button("pause")).to_be_hidden()
    expect(shown.button("cancel")).to_be_hidden()
    picture(shown, "nested")
    shown.reload()
    expect(shown.page.locator(at(40))).to_be_visible(timeout=LIMIT)
    second = NotebookPage(shown.page.context.new_page(), lab, shown.name).open()
    expect(second.page.locator(at(40))).to_be_visible(timeout=LIMIT)
    allow(lab, 70)
    for page in (shown, second):
        expect(page.page.locator(at(70))).to_be_visible(timeout=LIMIT)
    allow(lab, 100)
    for page in (shown, second):
        page.wait_for_state("done")
        expect(page.bar.locator("[data-part=rows]")).to_have_text("100 iterations")
        # The line of the inner loops was to leave nothing.
        expect(page.bar.locator(".pw-part-line")).to_have_count(0, timeout=LIMIT)
    assert [job["title"] for job in lab.jobs()] == ["epochs"]
    second.page.close()


def test_loops_within_loops_stand_further_in_in_the_card_and_in_the_panel(
    lab: JupyterProcess, open_notebook: Callable[..., NotebookPage]
) -> None:
    allow(lab, 2)
    shown = open_notebook(lab, SETUP, DEEPER)
    shown.run_and_wait(0)
    shown.run(1)
    lines = shown.bar.locator(".pw-part-name")
    expect(lines).to_have_text(["epochs", "batches"], timeout=LIMIT)
    shown.command("progresswidget:open")
    rows = shown.page.locator(".pw-exports .pw-export-name")
    expect(rows).to_have_text(["folds", "epochs", "batches"], timeout=LIMIT)
    for names in (lines, rows):
        places = [name.bounding_box() for name in names.all()]
        starts = [place["x"] for place in places if place is not None]
        assert sorted(set(starts)) == starts
    picture(shown, "deeper")
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        shown.command("apputils:change-theme", theme=theme)
        body = f"body[data-jp-theme-name='{theme}']"
        shown.page.wait_for_selector(body, state="attached", timeout=LIMIT)
        settle(shown.page)
        name = theme.split()[1].lower()
        shown.page.screenshot(path=SCREENSHOTS / f"loops-deeper-{name}.png")
    allow(lab, 1000)
    shown.wait_for_state("done")
    expect(shown.bar).to_have_attribute("data-stage", "stopped")
    expect(shown.bar.locator(".pw-words")).to_have_text("Stopped at 1 of 3")
    picture(shown, "stopped")


def test_eight_processes_feed_one_bar_and_one_of_them_is_killed(
    lab: JupyterProcess, open_notebook: Callable[..., NotebookPage]
) -> None:
    (lab.root / "workers.py").write_text(WORKERS)
    (lab.root / "go").unlink(missing_ok=True)
    shown = open_notebook(lab, SETUP, PROCESSES, OWN, QUICK)
    shown.run_and_wait(0)
    shown.run(1)
    shown.wait_for_motion()
    shown.wait_for_state("done")
    expect(shown.bar.locator(".pw-words")).to_have_text("Stopped at 360 of 400")
    expect(shown.bar).to_contain_text("1 of 8 workers died")
    shown.wait_for_cell(1)
    picture(shown, "processes")
    watch_a_bar_of_each(lab, shown)
    frames: list[object] = []

    def count(socket: WebSocket) -> None:
        # Playwright puts a mark on what it calls, and a built-in takes none.
        socket.on("framereceived", lambda frame: frames.append(frame))  # noqa: PLW0108

    # The channels of the kernel are opened anew by the page that counts them.
    shown.page.on("websocket", count)
    shown.save()
    shown.reload()
    frames.clear()
    shown.run_and_wait(3)
    expect(shown.bars.last.locator("[data-part=rows]")).to_have_text(
        "10,000,000 iterations", timeout=LIMIT
    )
    assert frames
    assert len(frames) < 200
    assert max(job["revision"] for job in lab.jobs()) < 500


def watch_a_bar_of_each(lab: JupyterProcess, shown: NotebookPage) -> None:
    """Run eight processes with a bar each, which nobody has passed to them, and kill one."""
    shown.run(2)
    card = shown.bars.last
    lines = card.locator(".pw-part-line")
    expect(lines).to_have_count(8, timeout=LIMIT)
    for number in range(8):
        expect(lines.filter(has_text=f"file {number}")).to_contain_text("20 of 50", timeout=LIMIT)
    card.screenshot(path=SCREENSHOTS / "loops-bars-of-processes-running.png")
    (lab.root / "go").touch()
    shown.wait_for_cell(2)
    expect(card).to_have_attribute("data-state", "done", timeout=LIMIT)
    expect(card.locator(".pw-words")).to_have_text("Stopped at 7 of 8")
    settle(shown.page)
    card.screenshot(path=SCREENSHOTS / "loops-bars-of-processes.png")
    killed = lines.filter(has_text="file 3")
    expect(killed).to_contain_text("The process that was at work ended.")
    ended = {job["title"]: (job["status"], job["rows"]) for job in lab.jobs()}
    assert ended.pop("file 3") == ("interrupted", 20)
    for number in range(8):
        if number != 3:
            assert ended[f"file {number}"] == ("done", 50)


def test_a_loop_obeys_its_buttons_and_one_that_fails_says_why(
    lab: JupyterProcess, open_notebook: Callable[..., NotebookPage]
) -> None:
    shown = open_notebook(lab, SETUP, OBEDIENT, FAILING)
    shown.run_and_wait(0)
    shown.run(1)
    shown.wait_for_state("running")
    picture(shown, "running")
    shown.button("pause").click()
    shown.wait_for_state("paused")
    (job,) = lab.jobs()
    picture(shown, "paused")
    shown.button("resume").click()
    shown.wait_for_state("running")
    rows = job["rows"]
    shown.page.wait_for_function(
        """rows => {
          const text = document.querySelector('.pw-job [data-part=rows]').textContent;
          return Number(text.split(' ')[0].replaceAll(',', '')) > rows;
        }""",
        arg=rows,
        timeout=LIMIT,
    )
    shown.button("cancel").click()
    shown.wait_for_state("cancelled")
    shown.wait_for_cell(1)
    expect(
        shown.page.locator(".jp-OutputArea-output", has_text="LoopCancelledError")
    ).to_be_visible()
    picture(shown, "cancelled")
    shown.run_and_wait(2)
    failed = shown.page.locator("[data-task-id][data-state=failed]")
    expect(failed.locator(".pw-note")).to_have_text("ValueError: no column named price")
    settle(shown.page)
    failed.screenshot(path=SCREENSHOTS / "loops-failed.png")


def test_a_loop_of_a_killed_kernel_says_so_and_stays_right_after_a_reload(
    lab: JupyterProcess, open_notebook: Callable[..., NotebookPage]
) -> None:
    allow(lab, 40)
    shown = open_notebook(lab, SETUP, NESTED)
    shown.run_and_wait(0)
    shown.run(1)
    expect(shown.page.locator(at(40))).to_be_visible(timeout=LIMIT)
    shown.save()
    os.kill(lab.kernel_pid(), signal.SIGKILL)
    shown.wait_for_state("interrupted")
    expect(shown.bar.locator("[data-part=rows]")).to_have_text("40 of 100")
    dismiss_dialogs(shown)
    picture(shown, "killed")
    shown.reload()
    shown.wait_for_state("interrupted")
    expect(shown.bars).to_have_count(1)
    expect(shown.bar.locator("[data-part=rows]")).to_have_text("40 of 100")
    assert {job["title"]: job["status"] for job in lab.jobs()}["epochs"] == "interrupted"


def test_loops_that_leave_nothing_are_seen_by_nobody_when_they_are_done(
    lab: JupyterProcess, open_notebook: Callable[..., NotebookPage]
) -> None:
    shown = open_notebook(lab, SETUP, GOING)
    shown.run_and_wait(0)
    shown.run_and_wait(1)
    for _ in range(2):
        # The short one and the long one are there, and so is that which failed.
        expect(shown.bars).to_have_count(3, timeout=LIMIT)
        visible = shown.bars.filter(visible=True)
        expect(visible).to_have_count(1, timeout=LIMIT)
        expect(visible).to_have_attribute("data-state", "failed")
        expect(visible.locator(".pw-note")).to_have_text("ValueError: seen")
        shown.save()
        shown.reload()


@pytest.mark.faults
def test_a_loop_of_a_kernel_that_died_says_so(
    lab: JupyterProcess, open_notebook: Callable[..., NotebookPage]
) -> None:
    shown = open_notebook(lab, SETUP, "import signal\n" + OBEDIENT)
    shown.run_and_wait(0)
    shown.run(1)
    shown.wait_for_state("running")
    dismiss_dialogs(shown)
    shown.page.evaluate("() => void jupyterapp.commands.execute('kernelmenu:shutdown')")
    shown.wait_for_state("interrupted")
    expect(shown.bar.locator(".pw-note")).to_contain_text("kernel")
    picture(shown, "interrupted")
