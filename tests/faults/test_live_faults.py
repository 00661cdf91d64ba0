"""Rows 49, 50, 54 and 55: pages that break the rules, fall silent, do not read, or are many."""

from __future__ import annotations

import json
import re
import selectors
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

import psutil
import pytest
from laboratory import Baseline, Server, eventually, make_report
from page import Page
from proxy import FaultProxy
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from websockets.sync.client import ClientConnection

    Own = Callable[..., Server]
    Repetitions = Callable[[int, int], int]

MIB = 1 << 20
STOPPED = """
import sys
from websockets.sync.client import connect
url, token, message = sys.argv[1:]
fields = {"Authorization": token}
with connect(url, subprotocols=["v1.progress"], additional_headers=fields) as page:
    page.send(message)
    while '"subscribed"' not in page.recv():
        continue
    print("subscribed", flush=True)
    for _ in page:
        pass
"""
"""A page that somebody stops."""


def subscribe(*task_ids: str) -> str:
    positions = [{"taskId": task_id} for task_id in task_ids]
    return json.dumps({"type": "subscribe", "id": 1, "data": {"tasks": positions}})


def join(server: Server, **options: Any) -> ClientConnection:
    """Connect a page of another implementation, which holds to all the rules by itself."""
    return connect(
        server.url("ws").replace("http", "ws", 1),
        subprotocols=["v1.progress"],  # type: ignore[list-item]
        additional_headers={"Authorization": f"token {server.token}"},
        compression=None,
        max_size=None,
        **options,
    )


def code_of(page: ClientConnection) -> int:
    """Read until the server closes, and return the code."""
    with suppress(ConnectionClosed):
        while True:
            page.recv(timeout=30)
    assert page.close_code is not None
    return page.close_code


class Pinger:
    """Another page, which asks for signs of life all the time."""

    def __init__(self, server: Server) -> None:
        self._page = Page(server)
        self._page.await_type("hello")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="pinger")
        self.times: list[float] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._page.close()

    def _run(self) -> None:
        while not self._over.wait(0.01):
            start = time.monotonic()
            self._page.send("ping")
            self._page.await_type("pong")
            self.times.append(time.monotonic() - start)


@contextmanager
def unharmed(server: Server, grown: int) -> Iterator[None]:
    """Assert that another page is answered within a second, and how much memory grows at most."""
    baseline, memory = Baseline(server), server.rss()
    server.forget_peak()
    with Pinger(server) as pinger:
        yield
        eventually(lambda: len(pinger.times) > 3)
        more = server.peak() - memory
    print(f"worst ping {max(pinger.times):.3f} s, memory {more / MIB:+.1f} MiB")
    assert max(pinger.times) < 1
    assert more < grown
    baseline.assert_back()


# --- Row 49 --------------------------------------------------------------------------------------


def test_row_49_garbage_ends_the_page_that_sends_it_and_no_other(
    own: Own, chance: random.Random, repetitions: Repetitions
) -> None:
    server = own(settings={"max_connections_per_user": 2000}).start()
    count = repetitions(1_000, 10_000)
    with unharmed(server, 150 * MIB):
        # Each in a frame that is well made, and all at once.
        with Page(server) as page:
            with suppress(ConnectionError):
                for _ in range(count):
                    page._send(chance.choice([1, 2]), chance.randbytes(chance.randrange(300)))
            while page.receive() is not None:
                pass
            assert page.close_code in {1007, 4500}
        # Frames that are not well made: reserved bits, opcodes, lengths, no mask.
        codes = set()
        for _ in range(count // 100):
            with Page(server) as page:
                with suppress(ConnectionError):
                    page._socket.sendall(chance.randbytes(1000))
                while page.receive() is not None:
                    pass
                codes.add(page.close_code)
        assert codes <= {1002, 1007, 1009, 4500}
        assert 1002 in codes
    server.stop()


def test_row_49_what_is_too_large_is_not_taken(own: Own) -> None:
    server = own().start()
    with unharmed(server, 150 * MIB):
        # Whole, and in pieces of which each is small.
        for message in ("x" * (64 * MIB), ["x" * 10_000] * 6_000):
            with join(server) as page:
                with suppress(ConnectionClosed):
                    page.send(message)
                assert code_of(page) == 1009
    server.stop()


def test_row_49_mistakes_are_told_and_floods_have_an_end(
    own: Own, repetitions: Repetitions
) -> None:
    server = own().start()
    count = repetitions(2_000, 10_000)
    with unharmed(server, 150 * MIB):
        with join(server) as page:
            page.send(b"binary")
            assert code_of(page) == 4500
        with join(server) as page:
            page.send(json.dumps({"type": "nonsense", "id": 7}))
            page.recv(timeout=60)  # hello
            answer = json.loads(page.recv(timeout=60))
            assert (answer["type"], answer["re"]) == ("error", 7)
            assert answer["data"]["code"] == "unknown-type"
            # Ten thousand tasks that are not there.
            for number in range(10):
                page.send(subscribe(*(f"{1000 * number + index:032x}" for index in range(1000))))
            codes = [json.loads(page.recv(timeout=60))["data"]["code"] for _ in range(10_000)]
            assert set(codes) == {"task-not-found"}
        # Questions by one who reads no answer: the answers are bounded, and so is the patience.
        with Page(server) as deaf:
            deaf._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            flood = Frame(Opcode.TEXT, b'{"type":"nonsense","id":1}').serialize(mask=True)
            flood += Frame(Opcode.PING, b"?").serialize(mask=True)
            deaf._socket.settimeout(10)
            with suppress(OSError):
                for _ in range(count):
                    deaf._socket.sendall(flood * 10)
            # On a busy machine both directions may be full at once: a socket without room drops
            # even acknowledgements, nothing more arrives, and silence is what ends it.
            eventually(
                lambda: closes(server, "slow") + closes(server, "silent") == 1,
                within=120,
                what="the patience has an end",
            )
    server.stop()


# --- Row 50 --------------------------------------------------------------------------------------


def silence(server: Server, heartbeat: float) -> None:
    """Let the line fall silent without an end, and come back behind the place that was reached."""
    task = make_report()
    server.report(task)
    with FaultProxy(server.port) as proxy:
        page = Page(server, port=proxy.port, timeout=10 * heartbeat)
        answer = page.subscribe(task["taskId"])
        epoch, last = answer["epoch"], answer["seq"]
        server.report(task | {"revision": 2, "rows": 2})
        last = page.await_type("progress_update")["seq"]
        proxy.hole()
        silent = time.monotonic()
        for revision in range(3, 8):
            server.report(task | {"revision": revision, "rows": revision})
            time.sleep(0.6)  # longer than the interval: each is an event of its own
        eventually(lambda: connections(server) == 0, within=2 * heartbeat + 15)
        took = time.monotonic() - silent
        print(f"noticed after {took:.1f} s of silence; heartbeat {heartbeat:g} s")
        assert 1.9 * heartbeat < took < 2 * heartbeat + 10, "silence, and a farewell to nobody"
        page.close()
        again = Page(server)
        answer = again.subscribe(task["taskId"], epoch=epoch, seq=last)
        assert answer["data"]["recovered"] is True
        for event in answer["data"]["events"]:
            assert event["from"] == last + 1
            last = event["seq"]
        assert last == answer["seq"]
        assert answer["data"]["events"][-1]["data"]["rows"] == 7
        again.close()


def test_row_50_a_silent_line_is_noticed_and_nothing_is_missing(own: Own) -> None:
    server = own(settings={"heartbeat": 1.0}).start()
    silence(server, 1.0)
    server.stop()


@pytest.mark.faults
def test_row_50_within_a_minute_as_it_is_set(own: Own) -> None:
    server = own().start()
    silence(server, 30.0)
    server.stop()


# --- Row 54 --------------------------------------------------------------------------------------


class Publisher:
    """A kernel that reports large records as fast as it is answered."""

    def __init__(self, server: Server, tasks: int) -> None:
        self._server = server
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher")
        # As large as a record may well be: sockets are filled sooner.
        error = {"code": "x", "message": "x" * 1900, "hint": "x" * 1900}
        self.reports = [make_report(error=error) for _ in range(tasks)]
        for report in self.reports:
            server.report(report)
        self.count = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.002):
            self.count += 1
            report = self.reports[self.count % len(self.reports)]
            self._server.report(report | {"revision": 1 + self.count, "rows": time.monotonic_ns()})


def connections(server: Server) -> int:
    """Return how many pages the server says are connected."""
    found: int = server.request("GET", "api/health").json["connections"]
    return found


def closes(server: Server, reason: str) -> float:
    text = server.request("GET", "/metrics").body.decode()
    found = re.search(rf'progresswidget_websocket_closes_total\{{reason="{reason}"\}} (\S+)', text)
    return float(found[1]) if found else 0.0


def delays(page: Page, seconds: float) -> list[float]:
    """Return how old each update is that comes within some seconds."""
    end, found = time.monotonic() + seconds, []
    while time.monotonic() < end:
        update = page.await_type("progress_update")
        found.append((time.monotonic_ns() - update["data"]["rows"]) / 1e9)
    return found


@pytest.mark.parametrize("how", ["never reads", pytest.param("stopped", marks=pytest.mark.faults)])
def test_row_54_who_does_not_read_costs_little_and_has_to_go(
    own: Own, how: str, repetitions: Repetitions
) -> None:
    settings = {"push_interval": 0.02, "slow_timeout": 2.0, "max_connections_per_user": 200}
    server = own(settings=settings).start()
    count, seconds = repetitions(3, 20), repetitions(6, 60)
    with Publisher(server, 4) as publisher, ExitStack() as stack:
        task_ids = [report["taskId"] for report in publisher.reports]
        join_slowly = stopped if how == "stopped" else deaf
        memory = server.rss()
        server.forget_peak()
        for _ in range(count):
            stack.enter_context(join_slowly(server, task_ids))
        fast = stack.enter_context(Page(server))
        fast.send("subscribe", tasks=[{"taskId": task_id} for task_id in task_ids])
        late = delays(fast, seconds)
        # Those who are slow have long been sent away: what they cost was before.
        grown = server.peak() - memory
        eventually(lambda: closes(server, "slow") >= count, what="all slow pages are sent away")
        eventually(lambda: connections(server) == 1)
    print(
        f"{count} pages, {publisher.count} reports: memory {grown / MIB:+.1f} MiB, "
        f"worst delay of the fast page {max(late):.3f} s"
    )
    assert grown < 8 * MIB
    assert max(late) < 1
    server.stop()


@contextmanager
def deaf(server: Server, task_ids: list[str]) -> Iterator[Page]:
    """Subscribe, and never read again."""
    page = Page(server)
    page._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    page.send("subscribe", tasks=[{"taskId": task_id} for task_id in task_ids])
    with page:
        yield page


@contextmanager
def stopped(server: Server, task_ids: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Subscribe in a process that is then stopped."""
    url = server.url("ws").replace("http", "ws", 1)
    command = [sys.executable, "-c", STOPPED, url, f"token {server.token}", subscribe(*task_ids)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "subscribed\n"
        process.send_signal(signal.SIGSTOP)
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.faults
def test_row_54_who_reads_again_in_time_learns_why(own: Own) -> None:
    server = own(settings={"push_interval": 0.02, "slow_timeout": 1.0}).start()
    with Publisher(server, 4) as publisher:
        task_ids = [report["taskId"] for report in publisher.reports]
        with deaf(server, task_ids) as page:
            eventually(lambda: closes(server, "slow") == 1)
            while page.receive() is not None:
                pass
            assert page.close_code == 4008
    server.stop()


# --- Row 55 --------------------------------------------------------------------------------------


class Crowd:
    """Many pages that are read by one thread, which notes how old each record is."""

    def __init__(self, server: Server, pages: list[list[str]]) -> None:
        self.delays: list[float] = []
        self._selector = selectors.DefaultSelector()
        self._pages = []
        for task_ids in pages:
            page = Page(server)
            page.await_type("hello")
            page.send("subscribe", tasks=[{"taskId": task_id} for task_id in task_ids])
            for _ in task_ids:
                page.await_type("subscribed")
            page._socket.settimeout(0)
            self._selector.register(page._socket, selectors.EVENT_READ)
            self._pages.append(page)
        self._since = time.monotonic_ns()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        for page in self._pages:
            page.close()

    def read(self, until: float) -> None:
        while (left := until - time.monotonic()) > 0:
            for key, _ in self._selector.select(left):
                data = key.fileobj.recv(1 << 20)  # type: ignore[union-attr]
                assert data, "closed by the server"
                now = time.monotonic_ns()
                # Not what was reported before, nor a number of which only the beginning is there.
                stamps = [int(stamp) for stamp in re.findall(rb'"rows":(\d+)', data)]
                self.delays += [(now - stamp) / 1e9 for stamp in stamps if stamp >= self._since]


@pytest.mark.parametrize(
    ("viewers", "tasks"), [(500, 1), pytest.param(1, 50, marks=pytest.mark.faults)]
)
def test_row_55_many_pages_and_many_jobs(
    own: Own, viewers: int, tasks: int, repetitions: Repetitions
) -> None:
    seconds = repetitions(6, 30)
    server = own(settings={"max_connections_per_user": 1000}).start()
    reports = [make_report() for _ in range(tasks)]
    for report in reports:
        server.report(report)
    task_ids = [report["taskId"] for report in reports]
    with Crowd(server, [task_ids] * viewers) as crowd:
        process = psutil.Process(server.pid)
        before = sum(process.cpu_times()[:2])
        begun = time.monotonic()
        made: list[str] = []

        def publish() -> None:
            # Two in each interval of one job, which are pushed as one.
            for round_ in range(4 * seconds):
                for index, report in enumerate(reports):
                    due = begun + round_ / 4 + index / tasks / 4
                    time.sleep(max(0.0, due - time.monotonic()))
                    change = {"revision": 2 + round_, "rows": time.monotonic_ns()}
                    server.report(report | change)
                    made.append(report["taskId"])

        publisher = threading.Thread(target=publish)
        publisher.start()
        crowd.read(begun + seconds + 0.7)
        reported = len(made) / tasks
        publisher.join()
        used = (sum(process.cpu_times()[:2]) - before) / (time.monotonic() - begun)
    late = statistics.quantiles(crowd.delays, n=100)[98]
    pushes = len(crowd.delays) / viewers / tasks
    print(
        f"{viewers} pages, {tasks} jobs: p99 {late:.3f} s, CPU {100 * used:.0f} %, "
        f"{pushes / seconds:.2f} pushes/s of a job"
    )
    assert late <= 1
    assert used <= 0.5
    # A machine that is busy elsewhere may report less often, but nothing is pushed more often,
    # and of two reports one at least.
    assert 0.4 * reported <= pushes <= 2.5 * seconds, "the interval of half a second holds"
    server.stop()
