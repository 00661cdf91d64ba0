"""Bars that many processes feed: everything counts once, and a worker that dies holds nobody up."""

from __future__ import annotations

import concurrent.futures
import gc
import io
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import progresswidget as pw
from progresswidget.client import Endpoint
from progresswidget.loops import fed, folders
from progresswidget.loops.mortality import place
from progresswidget.loops.workers.distant import Address, Telegraph
from progresswidget.loops.workers.farewell import was_idle
from progresswidget.loops.workers.feed import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Barrier

    from progresswidget.loops.workers.reporter import WorkerReporter

# Python 3.12 and later warn of each fork beside threads, and such forks are what is tried here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


class Owner:
    """A bar that only counts, and becomes a worker in a child."""

    def __init__(self) -> None:
        self.workers = Workers(self)
        self.reporter: WorkerReporter | None = None
        self.said: list[tuple[int, int, float]] = []

    def fed(self) -> None:
        pass

    def forked(self, reporter: WorkerReporter) -> None:
        self.reporter = reporter

    def lost(self, dead: int, count: int, steps: float) -> None:
        self.said.append((dead, count, steps))

    def address(self) -> None:
        return None

    def wait_for(self, steps: object, idle: object) -> None:
        pass


@pytest.fixture
def owner() -> Iterator[Owner]:
    made = Owner()
    yield made
    made.workers.close()


def work(reporter: WorkerReporter, steps: int) -> int:
    for _ in range(steps):
        reporter.update()
    return os.getpid()


def work_until_killed(reporter: WorkerReporter, said: Connection) -> None:
    for _ in range(1000):
        reporter.update(2)
    said.send("far enough")
    signal.pause()


def test_what_is_pickled_holds_a_folder_and_no_more(owner: Owner) -> None:
    reporter = owner.workers.reporter()
    sent = pickle.dumps(reporter)
    assert len(sent) < 200
    for each in (reporter, pickle.loads(sent)):
        each.update(3)
    assert owner.workers.total == 6
    # Both are of this process, and share its part.
    assert len(owner.workers.each()) == 1


def test_the_folder_is_its_users_alone_and_goes_with_the_bar() -> None:
    owner = Owner()
    folder = Path(pickle.loads(pickle.dumps(owner.workers.reporter()))._folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    owner.workers.reporter().update(5)
    owner.workers.close()
    assert not folder.exists()
    assert owner.workers.total == 5
    forgotten = Owner()
    folder = Path(forgotten.workers.reporter()._folder)
    assert folder.is_dir()
    del forgotten
    gc.collect()
    assert not folder.exists()


def test_who_comes_after_the_end_counts_for_itself(owner: Owner) -> None:
    early, late = owner.workers.reporter(), owner.workers.reporter()
    early.update(2)
    owner.workers.close()
    early.update()
    late.update()
    assert early.n == late.n == 4  # of this process
    assert owner.workers.total == 2
    stranger = pickle.loads(pickle.dumps(late))
    stranger.update(9)
    assert owner.workers.total == 2


def test_a_folder_that_is_tidied_away_fails_nobody(owner: Owner) -> None:
    reporter = owner.workers.reporter()
    reporter.update(4)
    assert owner.workers.total == 4
    shutil.rmtree(reporter._folder)
    reporter.update(4)
    assert owner.workers.total == 4
    owner.workers.close()
    assert owner.workers.total == 4


def test_a_file_that_is_none_of_a_worker_hides_nobody(owner: Owner) -> None:
    reporter = owner.workers.reporter()
    reporter.update(4)
    for name in ("1@elsewhere", f"none@{place()}"):
        Path(reporter._folder, name).write_bytes(b"?")
    assert owner.workers.total == 4


def test_a_bar_that_ends_within_a_look_at_it_ends(owner: Owner) -> None:
    owner.workers.reporter().update(3)

    def end_within() -> None:
        with owner.workers._lock:  # where the collector may come
            owner.workers.close()

    thread = threading.Thread(target=end_within, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert owner.workers.total == 3


def test_the_folder_of_a_killed_process_goes_when_the_next_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(folders, "_swept", True)
    victim = os.fork()
    if not victim:
        dying = Owner()
        dying.workers.reporter().update()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(victim, 0)
    others = [tmp_path / f"progresswidget-{victim}@elsewhere-x", tmp_path / "progresswidget-a@b-c"]
    for other in others:
        other.mkdir()
    monkeypatch.setattr(folders, "_swept", False)
    assert len(list(tmp_path.glob(f"*-{victim}@{place()}-*"))) == 1
    later = Owner()
    kept = Path(later.workers.reporter()._folder)
    assert set(tmp_path.glob("progresswidget-*")) >= {kept, *others}
    assert not list(tmp_path.glob(f"*-{victim}@{place()}-*"))


NAMESPACE = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc")
"""Runs a command where processes are counted anew, as in a container."""


def has_namespaces() -> bool:
    if shutil.which(NAMESPACE[0]) is None:
        return False
    return subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_namespaces(), reason="namespaces are not to be had here")
def test_a_container_with_the_same_temporary_folder_takes_nobody_for_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Owner
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    reporter = owner.workers.reporter()
    folder = Path(reporter._folder)
    reporter.update(3)
    code = (
        "import os, sys\n"
        "from progresswidget.loops.folders import new_folder, owner_of\n"
        "from progresswidget.loops.workers.reporter import WorkerReporter\n"
        "from progresswidget.loops.workers.feed import Workers\n"
        "from pathlib import Path\n"
        "folder = Path(sys.argv[1])\n"
        "assert owner_of(new_folder()) == os.getpid()\n"
        "assert folder.is_dir() and owner_of(folder) is None\n"
        "reporter = WorkerReporter(str(folder))\n"
        "reporter.update(4)\n"
        "print(reporter.n, flush=True)\n"
        "sys.stdin.readline()\n"
        "os.kill(os.getpid(), 9)\n"
    )
    worker = subprocess.Popen(
        [*NAMESPACE, sys.executable, "-c", code, str(folder)],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == "4.0\n"
    assert owner.workers.total == 7
    assert owner.said == []
    worker.communicate("\n", 60)
    assert owner.workers.total == 7  # its id says nothing here
    assert owner.said == []


def test_threads_lose_nothing(owner: Owner) -> None:
    reporter = owner.workers.reporter()
    threads = [threading.Thread(target=work, args=(reporter, 5000)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert owner.workers.total == 40_000


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_pools_of_processes_add_up_exactly(owner: Owner, method: str) -> None:
    context = multiprocessing.get_context(method)
    reporter = owner.workers.reporter()
    with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as pool:
        pids = set(pool.map(work, [reporter] * 20, range(1, 21)))
        # What a task has counted is there when its result is.
        assert owner.workers.total == sum(range(21))
    assert {int(name.partition("-")[0]) for name in owner.workers.each()} == pids
    reporter.update(10)
    assert owner.workers.total == sum(range(21)) + 10


def test_a_killed_worker_keeps_what_it_did_and_holds_nobody_up(owner: Owner) -> None:
    context = multiprocessing.get_context("fork")
    reporter = owner.workers.reporter()
    reporter.update(7)
    ours, theirs = context.Pipe()
    victim = context.Process(target=work_until_killed, args=(reporter, theirs))
    victim.start()
    assert ours.recv() == "far enough"
    victim.kill()
    victim.join()
    assert owner.workers.total == 2007
    assert owner.workers.total == 2007  # it is read once more after the end, and then kept
    other = context.Process(target=work, args=(reporter, 100))
    other.start()
    other.join()
    assert owner.workers.total == 2107
    # Itself, the one that was killed, and then one that ended as it should.
    assert owner.said == [(1, 2, 2007), (1, 3, 2107)]


def test_a_zombie_is_dead_before_anybody_waits_for_it(owner: Owner) -> None:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    victim = context.Process(target=work_until_killed, args=(owner.workers.reporter(), theirs))
    victim.start()
    assert ours.recv() == "far enough"
    assert owner.workers.total == 2000
    assert owner.said == []
    victim.kill()
    while not owner.said:
        assert owner.workers.total == 2000
        time.sleep(0.01)
    assert owner.said == [(1, 1, 2000)]
    victim.join()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_that_is_ended_when_its_work_is_done_has_lost_nobody(
    owner: Owner, method: str
) -> None:
    reporter = owner.workers.reporter()
    with multiprocessing.get_context(method).Pool(2) as pool:
        pool.starmap(work, [(reporter, steps) for steps in range(1, 21)])
    pool.join()
    assert owner.workers.total == sum(range(21))
    assert owner.said == []


def keep(reporter: WorkerReporter) -> None:
    global kept  # noqa: PLW0603 - as people have something in each worker of a pool
    kept = reporter


def keep_and_meet(reporter: WorkerReporter, meeting: Barrier) -> None:
    global still  # noqa: PLW0603
    keep(reporter)
    still = [meeting]


def work_with_kept(steps: int) -> None:
    # Each has a task: who is ended while it is only being prepared for the first may have died.
    while still:
        still.pop().wait(60)
    work(kept, steps)


kept: WorkerReporter
still: list[Barrier]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_that_keep_their_reporter_are_not_dead_when_their_pool_ends_them(
    owner: Owner, method: str
) -> None:
    context = multiprocessing.get_context(method)
    prepared = (owner.workers.reporter(), context.Barrier(2))
    with context.Pool(2, keep_and_meet, prepared) as pool:
        pool.map(work_with_kept, range(1, 21), chunksize=1)
    pool.join()
    assert owner.workers.total == sum(range(21))
    assert owner.said == []


FRAME = '  File "/usr/lib/python3.11/multiprocessing/{}.py", line 1 in {}\n'
POOL, START = FRAME.format("pool", "worker"), FRAME.format("process", "_bootstrap")
TASK, LEAVING = (
    '  File "/home/me/task.py", line 1 in task\n',
    FRAME.format("util", "_exit_function"),
)
RUN = FRAME.format("process", "run")


@pytest.mark.parametrize(
    ("calls", "idle"),
    [
        ([FRAME.format("connection", "_recv"), FRAME.format("queues", "get"), POOL, RUN], True),
        ([POOL, RUN, START], True),
        ([TASK, FRAME.format("pool", "mapstar"), POOL, RUN, START], False),
        ([FRAME.format("pool", "mapstar"), POOL, RUN, START], False),
        ([FRAME.format("synchronize", "acquire"), TASK, POOL, RUN, START], False),
        ([FRAME.format("util", "debug"), RUN, START], True),  # it has left the loop of its pool
        ([START, FRAME.format("popen_fork", "_launch"), TASK], True),
        ([TASK, FRAME.format("util", "_run_finalizers"), LEAVING, START], True),
        ([TASK, RUN, START], False),  # a process of its own
        ([TASK], False),
        ([], False),
    ],
)
def test_what_a_worker_was_at_is_told_by_its_calls(calls: list[str], *, idle: bool) -> None:
    assert was_idle("".join(calls).encode()) is idle


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_one_that_is_ended_within_its_task_has_died(owner: Owner, method: str) -> None:
    context = multiprocessing.get_context(method)
    with context.Pool(1, keep, (owner.workers.reporter(),)) as pool:
        ended = pool.apply_async(end_within)
        while not owner.said:  # the pool has others take its place, and does not say so
            assert owner.workers.total <= 7
            time.sleep(0.01)
        assert not ended.ready()
    assert owner.workers.total == 7
    assert owner.said[0] == (1, 1, 7)


def end_within() -> None:
    work(kept, 7)
    os.kill(os.getpid(), signal.SIGTERM)
    signal.pause()


@pytest.mark.parametrize("handler", [signal.SIG_IGN, print])
def test_a_handler_of_the_users_is_left_alone(owner: Owner, handler: Any) -> None:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=work_with_handler, args=(owner.workers.reporter(), handler, theirs)
    )
    process.start()
    assert ours.recv() == "alive"
    process.join()
    assert process.exitcode == 0


def work_with_handler(reporter: WorkerReporter, handler: Any, said: Connection) -> None:
    signal.signal(signal.SIGTERM, handler)
    work(reporter, 3)
    os.kill(os.getpid(), signal.SIGTERM)
    said.send("alive")


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "loss=0.5, 1 of 2 workers died"), ("zh", "loss=0.5, 2 个工作进程中有 1 个已意外结束")],
)
def test_the_bar_says_that_a_worker_has_died(
    language: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROGRESSWIDGET_LANGUAGE", language)
    text = io.StringIO()
    context = multiprocessing.get_context("spawn")
    with pw.tqdm(total=5000, file=text, postfix="loss=0.5", ncols=200) as bar:
        bar.set_postfix_str("loss=0.5")
        reporter = bar.reporter()
        ours, theirs = context.Pipe()
        victim = context.Process(target=work_until_killed, args=(reporter, theirs))
        victim.start()
        assert ours.recv() == "far enough"
        other = context.Process(target=work, args=(reporter, 100))
        other.start()
        other.join()
        victim.kill()
        victim.join()
    assert bar.n == 2100
    last = text.getvalue().rpartition("\r")[2]
    assert words in last
    assert "2100/5000" in last


def test_a_forked_child_feeds_the_bar_that_it_inherits(owner: Owner) -> None:
    # Nobody has asked for a reporter: the fork alone makes it ready.
    for _ in range(3):
        pid = os.fork()
        if pid == 0:
            if owner.reporter is not None:
                work(owner.reporter, 50)
            os._exit(0)
        os.waitpid(pid, 0)
    assert owner.reporter is None
    assert owner.workers.total == 150


@pytest.mark.parametrize("forks", [15, pytest.param(200, marks=pytest.mark.faults)])
def test_a_fork_in_the_middle_of_an_update_does_not_hang(owner: Owner, forks: int) -> None:
    reporter = owner.workers.reporter()
    over = threading.Event()

    def busy() -> None:
        while not over.is_set():
            reporter.update(0)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(forks):
            pid = os.fork()
            if pid == 0:
                reporter.update()
                os._exit(0)
            deadline = time.monotonic() + 60
            while os.waitpid(pid, os.WNOHANG) == (0, 0):
                assert time.monotonic() < deadline
                time.sleep(0.001)
    finally:
        over.set()
        thread.join(60)
    assert owner.workers.total == forks


@pytest.mark.faults
@pytest.mark.parametrize("backend", ["loky", "multiprocessing", "threading"])
def test_workers_of_joblib_add_up(owner: Owner, backend: str) -> None:
    import joblib
    from joblib.externals.loky import get_reusable_executor

    reporter = owner.workers.reporter()
    tasks = [joblib.delayed(work)(reporter, steps) for steps in range(1, 21)]
    joblib.Parallel(2, backend=backend)(tasks)
    assert owner.workers.total == sum(range(21))
    if backend == "loky":
        get_reusable_executor().shutdown(wait=True)


@pytest.mark.faults
@pytest.mark.parametrize("scheduler", ["threads", "processes", "synchronous"])
def test_workers_of_dask_add_up(owner: Owner, scheduler: str) -> None:
    import dask

    reporter = owner.workers.reporter()
    tasks = [dask.delayed(work)(reporter, steps) for steps in range(1, 21)]
    dask.compute(*tasks, scheduler=scheduler, num_workers=2)
    assert owner.workers.total == sum(range(21))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.faults
def test_workers_of_a_cluster_add_up_and_one_may_be_killed(owner: Owner) -> None:
    import distributed

    reporter = owner.workers.reporter()
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.gather(client.map(work, [reporter] * 20, range(1, 21), pure=False))
        assert owner.workers.total == sum(range(21))
        victim = int(next(iter(owner.workers.each())).partition("-")[0])
        (address,) = (where for where, pid in client.run(os.getpid).items() if pid == victim)
        # Results that go with a worker are computed once more, and what is done twice counts twice.
        wait_until(lambda: not cluster.scheduler.tasks)
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda: address not in cluster.scheduler.workers)
        # It is replaced, and what it did still counts.
        client.gather(client.map(work, [reporter] * 10, range(1, 11), pure=False))
        assert owner.workers.total == sum(range(21)) + sum(range(11))


# --- Those that do not see the folder -------------------------------------------------------------


class Timepiece:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.then: Callable[[], object] = bool

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.then()


def said(bar: Any, steps: float, *, used: bool) -> None:
    """Let a worker on another machine be heard, as the reply to a report tells of it."""
    worker = {"worker": "7-a", "steps": steps, "used": used, "silent": 0.0}
    bar._tally.workers.hear([worker], 7)


def test_a_bar_waits_at_its_end_for_who_is_at_work_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Timepiece()
    monkeypatch.setattr(fed, "time", clock)

    def closed(total: int | None, *, used: bool) -> tuple[float, float]:
        """Return what the bar has counted, and for how long it has waited."""
        bar = pw.tqdm(total=total, file=io.StringIO())
        bar.reporter()
        said(bar, 3, used=used)
        clock.now = 0.0
        bar.close()
        return bar.n, clock.now

    assert closed(3, used=True) == (3, 0), "nothing is left to come"
    steps, waited = closed(10, used=False)
    assert steps == 3
    assert waited < fed.LAST_STEPS, "nobody is at work"
    steps, waited = closed(None, used=True)
    assert steps == 3
    assert waited >= fed.LAST_STEPS


def test_the_last_steps_of_who_was_at_work_elsewhere_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Timepiece()
    monkeypatch.setattr(fed, "time", clock)
    bar = pw.tqdm(file=io.StringIO())
    bar.reporter()
    said(bar, 3, used=True)
    clock.then = lambda: said(bar, 4, used=False) if clock.now >= 0.5 else None
    bar.close()
    assert bar.n == 4
    assert 0.5 <= clock.now < fed.LAST_STEPS


def test_a_bar_whose_wait_is_interrupted_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Timepiece()
    monkeypatch.setattr(fed, "time", clock)
    bar = pw.tqdm(total=10, file=io.StringIO())
    folder = Path(bar.reporter()._folder)
    said(bar, 3, used=True)

    def interrupt() -> None:
        raise KeyboardInterrupt

    clock.then = interrupt
    with pytest.raises(KeyboardInterrupt):
        bar.close()
    assert bar.n == 3
    assert not folder.exists()
    assert bar not in pw.tqdm._instances


def test_the_collector_may_wake_the_thread_that_waits() -> None:
    made: list[Telegraph] = []
    turns = 0

    def collect(_frame: object, event: str, _argument: object) -> None:
        # As the collector does when it lets go of a reporter: in the middle of anything.
        nonlocal turns
        if made and event in {"call", "return"}:
            turns += 1
            made[0].wake()

    threading.setprofile(collect)
    try:
        address = Address(Endpoint("http://127.0.0.1:1/", "secret"), "a" * 32, 7)
        made.append(Telegraph(address, [0.0, 0.0]))
    finally:
        threading.setprofile(None)
    end = time.monotonic() + 60
    while turns < 1000:
        assert time.monotonic() < end, "it waits for itself"
        time.sleep(0.01)
    made[0]._over = True
