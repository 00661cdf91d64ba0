"""`tqdm` and `track` beside the bare loop, and what tqdm's own tests do not ask for."""

from __future__ import annotations

import asyncio
import copy
import gc
import io
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from feeding import feed
from hypothesis import given
from hypothesis import strategies as st

import progresswidget as pw
from progresswidget import protocol
from progresswidget.loops.environment import envwrap, plain
from progresswidget.loops.errors import TqdmKeyError, TqdmTypeError
from progresswidget.loops.jobs import open_loops
from progresswidget.loops.jobs.job import LoopJob
from progresswidget.loops.text.line import display_width, format_meter, trimmed
from progresswidget.loops.text.terminal import WriteLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import ReportingServer


@pytest.fixture(autouse=True)
def _no_server_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (protocol.ENDPOINT_VARIABLE, protocol.KERNEL_URL_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


def quiet(iterable: Any) -> Any:
    return pw.tqdm(iterable, file=io.StringIO())


def counted(iterable: Any) -> Any:
    return pw.tqdm(iterable, file=io.StringIO(), mininterval=0, miniters=1)


def tracked(iterable: Any) -> Any:
    return pw.track(iterable)


DOORS = pytest.mark.parametrize("door", [quiet, counted, tracked, iter])
"""Each must be as the last one, which is the bare loop."""


class Trail:
    """A generator that notes what is done with it."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def items(self, count: int, error: BaseException | None = None) -> Iterator[int]:
        try:
            for number in range(count):
                self.notes.append(f"give {number}")
                yield number
            if error is not None:
                raise error
        finally:
            self.notes.append("closed")


@DOORS
def test_a_loop_gives_all_items_and_takes_each_when_it_is_asked_for(door: Any) -> None:
    trail = Trail()
    for number in door(trail.items(3)):
        trail.notes.append(f"got {number}")
    expected = ["give 0", "got 0", "give 1", "got 1", "give 2", "got 2", "closed"]
    assert trail.notes == expected


@DOORS
def test_a_break_closes_a_generator_that_nobody_else_has(door: Any) -> None:
    trail = Trail()
    for number in door(trail.items(9)):
        if number == 1:
            break
    assert trail.notes == ["give 0", "give 1", "closed"]


@DOORS
def test_a_generator_that_is_kept_goes_on_after_a_break(door: Any) -> None:
    trail = Trail()
    source = trail.items(4)
    for number in door(source):
        if number == 1:
            break
    assert list(source) == [2, 3]


@DOORS
@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), StopAsyncIteration()])
def test_what_the_iterable_raises_comes_through(door: Any, error: BaseException) -> None:
    trail = Trail()
    seen = []
    with pytest.raises(type(error)) as raised:  # noqa: PT012 - a loop is more than a statement
        for number in door(trail.items(2, error)):
            seen.append(number)  # noqa: PERF402
    assert raised.value is error
    assert seen == [0, 1]
    assert trail.notes[-1] == "closed"


@DOORS
def test_what_the_body_raises_comes_through_and_closes_the_generator(door: Any) -> None:
    trail = Trail()
    with pytest.raises(LookupError):  # noqa: PT012
        for number in door(trail.items(9)):
            if number == 1:
                raise LookupError
    assert trail.notes == ["give 0", "give 1", "closed"]


@DOORS
def test_a_stop_iteration_in_a_generator_is_the_error_that_it_is(door: Any) -> None:
    def within() -> Iterator[int]:
        for number in door(range(3)):
            if number == 1:
                raise StopIteration  # noqa: PLR1708 - which Python turns into a RuntimeError
            yield number

    with pytest.raises(RuntimeError, match="StopIteration"):
        list(within())


@DOORS
def test_a_list_may_grow_and_shrink_while_it_is_looped_over(door: Any) -> None:
    items = [1, 2, 3]
    seen = []
    for item in door(items):
        seen.append(item)
        if item == 1:
            items.append(4)
        if item == 3:
            items.pop()
    assert seen == [1, 2, 3]


@DOORS
def test_loops_nest(door: Any) -> None:
    pairs = [(a, b) for a in door(range(3)) for b in door("xy")]
    assert pairs == [(a, b) for a in range(3) for b in "xy"]


@DOORS
@pytest.mark.parametrize("odd", [5, None, object()])
def test_what_cannot_be_looped_over_is_refused_as_ever(door: Any, odd: object) -> None:
    with pytest.raises(TypeError):
        for _ in door(odd):
            pass


def test_a_copy_of_what_holds_a_bar_holds_the_same_one() -> None:
    with pw.tqdm(total=3, file=io.StringIO()) as bar:
        assert copy.copy(bar) is bar
        assert copy.deepcopy({"bar": bar})["bar"] is bar


def test_the_last_column_and_row_of_a_terminal_stay_free() -> None:
    import fcntl
    import pty
    import struct
    import termios

    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    with os.fdopen(slave, "w") as terminal, pw.tqdm(total=3, file=terminal) as bar:
        assert (bar.ncols, bar.nrows) == (79, 23)
        assert display_width(str(bar)) == 79
    os.close(master)


def test_what_is_no_loop_leaves_nothing_on_a_terminal() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    bar = pw.tqdm(5, file=out)
    with pytest.raises(TypeError, match=r"did you mean range\(5\)"):
        iter(bar)
    *_, cleared, rest = out.getvalue().split("\r")
    assert (cleared.strip(), rest, "\n" in out.getvalue()) == ("", "", False)


def test_a_step_by_hand_draws_the_line_that_is_due_and_says_so() -> None:
    out = io.StringIO()
    with pw.tqdm(total=10**9, file=out) as bar:
        deadline = time.monotonic() + 60
        while not bar.update():  # it is told when, by a thread
            assert time.monotonic() < deadline
        assert f"{bar.n:.0f}/" in out.getvalue().rpartition("\r")[2]


def test_steps_by_hand_are_drawn_while_none_comes() -> None:
    out = io.StringIO()
    with pw.tqdm(total=10, file=out) as bar:
        bar.update(7)
        deadline = time.monotonic() + 60
        while "7/10" not in out.getvalue():
            assert time.monotonic() < deadline
            os.sched_yield()


def drawn(out: io.StringIO, text: str) -> None:
    """Wait until a line has said something."""
    deadline = time.monotonic() + 60
    while text not in out.getvalue():
        assert time.monotonic() < deadline, out.getvalue()
        os.sched_yield()


@pytest.mark.parametrize(
    "options", [{"mininterval": 0.2}, {"miniters": 1}, {"smoothing": 0}, {"maxinterval": 60}]
)
def test_a_loop_with_an_interval_of_its_own_does_nothing_for_its_lines(
    options: dict[str, Any],
) -> None:
    out = io.StringIO()
    bar = pw.tqdm(range(3), file=out, **options)
    steps = iter(bar)
    assert bar._tally.position is not None  # the iterator itself tells how far it is
    for number in steps:
        if number == 2:
            drawn(out, "2/3")  # while the loop stands
    assert "3/3" in out.getvalue()


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_line_that_is_wanted_each_so_many_steps_is_drawn_with_these(*, by_hand: bool) -> None:
    out = io.StringIO()
    bar = pw.tqdm(range(1000), file=out, miniters=100)
    steps = iter(bar)

    def step() -> None:
        if by_hand:
            bar.update()
        else:
            next(steps)

    if not by_hand:
        next(steps)  # one is done when the next one is asked for
    for _ in range(50):
        step()
    deadline = time.monotonic() + 60
    while bar._tally.due > 100:  # the time for a line has come, and a thread has said so
        assert time.monotonic() < deadline
        os.sched_yield()
    for _ in range(49):
        step()
    assert out.getvalue().count("\r") == 1
    step()
    assert "100/1000" in out.getvalue()
    assert out.getvalue().count("\r") == 2
    bar.close()


def test_steps_that_are_taken_back_are_shown_and_make_no_rate_below_nothing() -> None:
    out = io.StringIO()
    with pw.tqdm(total=1000, file=out) as bar:
        bar.update(600)
        drawn(out, "600/1000")
        bar.update(-400)
        drawn(out, "200/1000")
        bar.update(1)
        drawn(out, "201/1000")
    assert not re.search(r"-[0-9.]+(it/s|s/it)", out.getvalue())


def test_the_time_of_a_loop_begins_when_all_is_ready_for_it() -> None:
    ready = []

    class Watched(pw.tqdm):  # type: ignore[type-arg]
        def _look_after(self) -> None:
            super()._look_after()
            ready.append(self._time())

    with Watched(total=1, file=io.StringIO()) as bar:
        assert bar.start_t >= ready[0]


def test_the_count_is_exact_in_the_loop_and_after_it() -> None:
    bar = quiet(range(5))
    within = [bar.n for _ in bar]
    assert within == [0, 1, 2, 3, 4]
    assert bar.n == 5
    assert "5/5" in bar.fp.getvalue()


def test_ten_million_steps_write_a_line_at_most_every_tenth_of_a_second() -> None:
    out = io.StringIO()
    bar = pw.tqdm(range(10_000_000), file=out)
    begun = bar.start_t
    for _ in bar:
        pass
    took = bar._time() - begun
    assert out.getvalue().count("\r") <= 4 + took / 0.1


def test_a_long_step_is_drawn_while_the_loop_stands(tmp_path: Any) -> None:
    # The loop writes its own pace: it goes on when a line with its count has been drawn.
    out = io.StringIO()
    for number in pw.tqdm(range(3), file=out):
        if number == 2:
            deadline = pw.tqdm(disable=True)._time() + 60
            while "2/3" not in out.getvalue():
                assert deadline > pw.tqdm(disable=True)._time()
                os.sched_yield()


def test_a_bar_that_nobody_keeps_ends(capsys: pytest.CaptureFixture[str]) -> None:
    pw.tqdm(total=3).update(2)
    assert capsys.readouterr().err.endswith("\n")


def test_a_file_that_is_closed_is_no_terminal() -> None:
    out = io.StringIO()
    out.close()
    assert list(pw.tqdm(range(3), file=out)) == [0, 1, 2]
    assert list(pw.tqdm(range(3), file=out, disable=None)) == [0, 1, 2]


def test_a_lock_that_is_waited_for_is_left_whole_by_an_interrupt() -> None:
    lock = WriteLock()
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with lock._processes:
            held.set()
            over.wait(60)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):  # noqa: PT012
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            lock.acquire()
    finally:
        signal.signal(signal.SIGALRM, before)
        over.set()
        thread.join(60)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lock.acquire, timeout=60).result()


@pytest.mark.parametrize("kind", ["stdout", "stderr"])
def test_track_says_nothing_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert list(pw.track(range(3), "Rows", cancellable=True)) == [0, 1, 2]
    assert getattr(capsys.readouterr(), kind[3:]) == ""


@pytest.mark.parametrize("total", [-1, "9", float("nan"), True])
def test_track_refuses_a_total_that_is_none(total: Any) -> None:
    with pytest.raises(pw.OptionError, match="total"):
        pw.track(range(3), total=total)


@pytest.mark.parametrize("total", [np.int64(3), np.float32(3), 3.0])
def test_track_takes_totals_of_numpy(total: Any) -> None:
    assert list(pw.track(iter("abc"), total=total)) == ["a", "b", "c"]


@pytest.mark.parametrize("desc", [10, 2.5, True])
def test_track_says_what_a_number_in_place_of_the_description_should_be(desc: Any) -> None:
    with pytest.raises(pw.OptionError, match=f"Did you mean total={desc}"):
        pw.track(range(4), desc)


def test_what_is_no_loop_is_refused_before_anything_begins(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(protocol.ENDPOINT_VARIABLE, "http://127.0.0.1:9/")  # where it would be a job
    before = open_loops.innermost()
    with pytest.raises(TypeError, match=r"loop over, not 5; did you mean range\(5\)\?"):
        pw.track(5)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"loop over, not None$"):
        pw.track(None)  # type: ignore[call-overload]
    assert open_loops.innermost() is before
    assert capsys.readouterr().err == ""


def test_an_iterable_is_begun_once() -> None:
    class Loader:
        begun = 0

        def __iter__(self) -> Iterator[int]:
            self.begun += 1
            return iter(range(3))

    loader = Loader()
    assert list(pw.track(loader)) == [0, 1, 2]
    assert loader.begun == 1


def test_an_unknown_option_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(TqdmKeyError, match=r"colur.*did you mean colour"):
        pw.tqdm(range(3), colur="red")
    with pytest.raises(TqdmKeyError, match=r"'descr'.*did you mean desc"):
        pw.tqdm(range(3), descr="x")


@pytest.mark.parametrize("desc", [5, Path("a"), b"a"])
def test_a_description_may_be_anything_that_has_a_text(desc: Any) -> None:
    out = io.StringIO()
    bar = pw.tqdm(range(2), desc=desc, file=out)
    assert list(bar) == [0, 1]
    assert bar.desc == str(desc)
    assert f"{desc}: " in out.getvalue()


@pytest.mark.parametrize(
    "name", ["total", "ncols", "mininterval", "maxinterval", "miniters", "smoothing", "initial"]
)
def test_an_option_that_is_no_number_is_refused_before_anything_is_shown(name: str) -> None:
    out = io.StringIO()
    with pytest.raises(TqdmTypeError, match=f"^{name} must be a number, not 'x'"):
        pw.tqdm(range(3), file=out, **{name: "x"})
    assert out.getvalue() == ""


def test_a_bar_whose_line_cannot_be_made_is_gone_without_a_word(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unraisable: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    out = io.StringIO()
    with pytest.raises(KeyError, match="foo"):
        pw.tqdm(range(3), bar_format="{foo}", file=out)
    gc.collect()
    assert unraisable == []
    with pw.tqdm(total=1, file=out) as bar:
        assert bar.pos == 0  # the one that failed has no row


def test_words_beside_a_bar_are_drawn_ten_times_a_second_and_the_last_ones_always() -> None:
    out = io.StringIO()
    bar = pw.tqdm(total=5000, file=out, mininterval=0.1)
    begun = time.monotonic()
    for number in range(5000):
        bar.set_postfix_str(f"step {number}")
    assert "step 0" in out.getvalue()  # the first at once
    deadline = time.monotonic() + 60
    while "step 4999" not in out.getvalue():  # and the last while the loop stands
        assert time.monotonic() < deadline
        os.sched_yield()
    assert out.getvalue().count("step") <= 14 + 10 * (time.monotonic() - begun)
    bar.close()


def test_words_that_wait_are_in_the_last_line() -> None:
    out = io.StringIO()
    with pw.tqdm(total=3, file=out) as bar:
        for number in range(30):
            bar.set_description(f"part {number}")
    assert "part 29" in out.getvalue().rpartition("\r")[2]


def test_a_chinese_description_takes_two_columns_for_each_character() -> None:
    line = format_meter(3, 10, 1, ncols=40, prefix="读取数据")
    assert display_width(line) == 40
    assert line.startswith("读取数据: ")


@given(
    n=st.integers(0, 10**30) | st.floats(0, 1e30),
    total=st.none() | st.integers(0, 10**30) | st.just(float("inf")),
    elapsed=st.floats(0, 1e9),
    ncols=st.none() | st.integers(0, 200),
    prefix=st.text(max_size=30),
    scale=st.booleans() | st.integers(1, 1000),
    postfix=st.none() | st.text(max_size=20),
)
def test_a_line_is_made_of_any_numbers_and_is_no_longer_than_it_may_be(
    n: float,
    total: float | None,
    elapsed: float,
    ncols: int | None,
    prefix: str,
    scale: float,
    postfix: str | None,
) -> None:
    line = format_meter(
        n, total, elapsed, ncols=ncols, prefix=prefix, unit_scale=scale, postfix=postfix
    )
    if ncols:
        assert display_width(line) <= ncols


@given(st.text(max_size=40), st.integers(0, 30))
def test_a_text_is_cut_to_a_width(text: str, width: int) -> None:
    cut = trimmed(text, width)
    assert display_width(cut) <= width
    assert text.startswith(cut.removesuffix("\x1b[0m"))


# --- As a job ------------------------------------------------------------------------------------


def endless() -> Iterator[int]:
    """Yield slowly: the test says by the server when it is enough."""
    number = 0
    while True:
        time.sleep(0.005)
        yield number
        number += 1


def test_what_is_changed_in_the_middle_is_told(reporting_server: ReportingServer) -> None:
    with pw.tqdm(total=10, desc="first") as bar:
        assert bar.job is not None
        bar.total, bar.desc = 20, "second: "
        bar.update(5)
        bar.set_postfix(loss=0.25)
        report = reporting_server.wait_for("running")
        assert (report["title"], report["total"], report["rows"]) == ("second", 20, 5)
        assert bar.job.postfix == "loss=0.25"
    reporting_server.wait_for("done")


def test_what_is_said_of_lines_does_not_hold_the_count_of_a_job_back(
    reporting_server: ReportingServer,
) -> None:
    bar = pw.tqdm(range(3), miniters=100, mininterval=60)
    assert [bar.n for _ in bar] == [0, 1, 2]
    assert bar.job is not None
    assert bar.job.rows == 3


def test_a_bar_that_is_set_back_begins_at_nothing_for_workers_too() -> None:
    with pw.tqdm(total=3, file=io.StringIO()) as bar:
        bar.reporter().update(2)
        bar.update()
        bar.reset()
        assert bar.n == 0
        bar.reporter().update(2)
        assert bar.n == 2


def test_a_loop_that_is_cancelled_raises_before_its_next_item(
    reporting_server: ReportingServer,
) -> None:
    source = endless()
    taken = -1

    def loop() -> None:
        nonlocal taken
        for number in pw.track(source, "Rows", cancellable=True):
            if number == 0:
                reporting_server.control = {"id": "1", "action": "cancel"}
            taken = number

    with pytest.raises(pw.LoopCancelledError, match="Rows"):
        loop()
    reporting_server.wait_for("cancelled")
    assert next(source) == taken + 1  # no item was taken and lost


def test_a_loop_that_is_paused_waits_until_it_is_resumed(
    reporting_server: ReportingServer,
) -> None:
    def resume() -> None:
        reporting_server.wait_for("paused")
        reporting_server.control = {"id": "2", "action": "resume"}

    threading.Thread(target=resume, daemon=True).start()
    reporting_server.control = {"id": "1", "action": "pause"}
    last = 0
    for number in pw.track(endless(), "Rows", cancellable=True):
        last = number
        if reporting_server.control["id"] == "2":
            break
    assert last > 0
    reporting_server.wait_for("done")


def test_an_asynchronous_loop_obeys_and_lets_other_tasks_go_on(
    reporting_server: ReportingServer,
) -> None:
    async def items() -> Any:
        while True:
            await asyncio.sleep(0.005)
            yield 1

    async def cancel() -> None:
        await asyncio.to_thread(reporting_server.wait_for, "paused")
        reporting_server.control = {"id": "2", "action": "cancel"}

    async def loop() -> None:
        async for _ in pw.track(items(), "Rows", cancellable=True):
            pass

    async def main() -> None:
        other = asyncio.create_task(cancel())
        with pytest.raises(pw.LoopCancelledError):
            await loop()
        await other

    reporting_server.control = {"id": "1", "action": "pause"}
    asyncio.run(main())
    reporting_server.wait_for("cancelled")


def test_an_asynchronous_loop_whose_task_is_cancelled_while_it_is_paused_ends(
    reporting_server: ReportingServer,
) -> None:
    bars: list[pw.tqdm[Any]] = []

    async def items() -> Any:
        while True:
            await asyncio.sleep(0.005)
            yield 1

    async def loop() -> None:
        tracked: Any = pw.track(items(), "Rows", cancellable=True)
        bars.append(tracked)
        async for _ in tracked:
            pass

    async def main() -> None:
        task = asyncio.create_task(loop())
        await asyncio.to_thread(reporting_server.wait_for, "paused")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    reporting_server.control = {"id": "1", "action": "pause"}
    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert bars[0].disable
    reporting_server.wait_for("interrupted")


def test_the_rate_of_a_loop_is_that_of_its_own_steps() -> None:
    done = 1000
    job = LoopJob("Rows", lambda: done, total=2000)
    job.begin()
    job.measured(job.rows, 2000)
    done = 1001
    rate, _, _ = job.measured(job.rows, 2000)
    assert rate is not None
    seconds = 1 / rate  # for the one step, and not for a thousand
    done = 0  # it was set back: what came before counts no longer
    assert job.measured(job.rows, 2000)[0] in {None, 0.0}
    assert seconds > 1e-6
    job.end()


def test_a_loop_that_does_not_obey_goes_on(reporting_server: ReportingServer) -> None:
    reporting_server.control = {"id": "1", "action": "cancel"}
    for _ in pw.track(endless(), "Rows"):
        if reporting_server.reports:
            break
    assert reporting_server.wait_for("done")["rows"] >= 1


# --- Other processes -----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_count_for_the_bar_that_they_were_given(method: str) -> None:
    context: Any = multiprocessing.get_context(method)
    with pw.tqdm(total=100, file=io.StringIO()) as bar:
        with ProcessPoolExecutor(2, mp_context=context) as pool:
            list(pool.map(feed, [bar, bar]))
        assert bar.n == 100
    assert "100/100" in bar.fp.getvalue()


def test_a_child_that_was_forked_counts_for_its_parent_and_draws_nothing() -> None:
    bar = pw.tqdm(total=10, file=io.StringIO())
    drawn = bar.fp.getvalue()
    child = os.fork()
    if not child:
        bar.update(4)
        bar.close()
        os._exit(int(bar.fp.getvalue() != drawn))
    assert os.waitpid(child, 0)[1] == 0
    assert bar.n == 4
    bar.close()


def test_what_a_forked_child_counts_is_drawn_while_the_parent_counts_nothing() -> None:
    with pw.tqdm(total=100, file=io.StringIO()) as bar:
        child = os.fork()
        if not child:
            bar.update(50)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        deadline = time.monotonic() + 60
        while "50/100" not in bar.fp.getvalue():
            assert time.monotonic() < deadline
            os.sched_yield()


def test_what_others_count_does_not_hold_the_line_of_ones_own_steps_back() -> None:
    with pw.tqdm(total=100, file=io.StringIO(), mininterval=0, miniters=1) as bar:
        bar._tally.workers.reporter().update(50)
        assert bar.update()
        assert bar.update()
        assert "52/100" in bar.fp.getvalue()


def test_a_bar_is_pickled_as_what_feeds_it() -> None:
    with pw.tqdm(total=3, file=io.StringIO()) as bar:
        pickle.loads(pickle.dumps(bar)).update(2)
        assert bar.n == 2
        assert not bar.disable


def test_a_bar_that_shows_nothing_makes_nothing_for_workers(tmp_path: Path) -> None:
    code = (
        "import os, progresswidget as pw; bar = pw.tqdm(total=3, disable=True); child = os.fork()\n"
        "if not child: os._exit(0)\n"
        "os.waitpid(child, 0); bar.update(); print(os.listdir(os.environ['TMPDIR']))"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    assert subprocess.check_output([sys.executable, "-c", code], env=environment) == b"[]\n"


def test_no_step_of_several_threads_is_lost() -> None:
    bar = pw.tqdm(total=200_000, file=io.StringIO())
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [
            threading.Thread(target=lambda: [bar.update() for _ in range(50_000)]) for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert bar.n == 200_000
    bar.close()


def double(number: int) -> int:
    return 2 * number


@pytest.mark.parametrize("mapped", [pw.thread_map, pw.process_map])
def test_maps_answer_in_order(mapped: Callable[..., Any]) -> None:
    out = io.StringIO()
    assert mapped(double, range(20), file=out, max_workers=2) == [2 * i for i in range(20)]
    assert "20/20" in out.getvalue()


# --- Asynchronous loops --------------------------------------------------------------------------


def test_gather_answers_in_order() -> None:
    async def ask(number: int) -> int:
        await asyncio.sleep(0)
        return 2 * number

    async def main() -> list[int]:
        out = io.StringIO()
        asked = [ask(number) for number in range(9)]
        answers = await pw.tqdm.gather(*asked, file=out)
        assert "9/9" in out.getvalue()
        return answers

    assert asyncio.run(main()) == [2 * number for number in range(9)]


def test_an_asynchronous_loop_that_fails_ends_its_bar() -> None:
    async def items() -> Any:
        yield 1
        raise LookupError

    async def main() -> None:
        bar = pw.tqdm(items(), file=io.StringIO())
        with pytest.raises(LookupError):
            async for _ in bar:
                pass
        assert bar.disable
        assert "1it" in bar.fp.getvalue()

    asyncio.run(main())


# --- pandas --------------------------------------------------------------------------------------


def test_pandas_answers_the_same_with_progress() -> None:
    out = io.StringIO()
    pw.tqdm.pandas(file=out)
    frame: Any = pd.DataFrame({"a": [1, 1, 2], "b": [1.5, 2.5, 3.5]})
    groups = frame.groupby("a")
    pairs = [
        (frame.b.progress_map({1.5: 3.0}), frame.b.map({1.5: 3.0})),
        (frame.progress_apply("sum"), frame.apply("sum")),
        (frame.progress_apply(sum, axis=1), frame.apply(sum, axis=1)),
        (frame.progress_apply(sum, 1), frame.apply(sum, 1)),
        (frame.progress_map(str), frame.map(str)),
        (frame.progress_applymap(str), frame.map(str)),
        (groups.b.progress_apply(sum), groups.b.apply(sum)),
        (groups.b.progress_transform(max), groups.b.transform(max)),
        (groups.b.progress_aggregate(sum), groups.b.aggregate(sum)),
        (frame.b.rolling(2).progress_apply(sum), frame.b.rolling(2).apply(sum)),
    ]
    for shown, bare in pairs:
        assert shown.equals(bare)
    assert "3/3" in out.getvalue()
    assert "2/2" in out.getvalue()
    assert "6/6" in out.getvalue()  # the values of `progress_applymap`


def test_what_a_function_of_pandas_raises_comes_through_and_ends_the_bar() -> None:
    out = io.StringIO()
    pw.tqdm.pandas(file=out)
    column: Any = pd.Series([1, 0])
    with pytest.raises(ZeroDivisionError):
        column.progress_apply(lambda value: 1 // value)
    assert out.getvalue().endswith("\n")


# --- The environment -----------------------------------------------------------------------------


def test_a_variable_of_the_environment_says_what_the_caller_does_not() -> None:
    code = "import progresswidget as pw; list(pw.tqdm('ab')); list(pw.tqdm('ab', disable=False))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TQDM_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr.count("2/2") == 1


@given(st.text(max_size=20))
def test_any_text_of_the_environment_is_a_value(text: str) -> None:
    if plain(text) != text:
        assert not isinstance(plain(text), str) or text[0] in "'\"rbuRBU( \t\n#"


def test_nothing_is_wrapped_where_the_environment_says_nothing() -> None:
    def function(a: int = 1) -> int:
        return a

    assert envwrap("no_such_name")(function) is function


def test_a_bare_import_of_the_bar_loads_no_frame_library() -> None:
    code = "import sys, progresswidget as pw; list(pw.track('ab')); print(sorted(sys.modules))"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert not {f"'{name}'" for name in ("pandas", "numpy", "pyarrow", "polars")} & set(
        loaded.strip("[]\n").split(", ")
    )
