"""A process that counts from afar says all, and keeps nothing up when there is no more to say."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from progresswidget.client import Endpoint
from progresswidget.loops.workers import distant
from progresswidget.loops.workers.reporter import WorkerReporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Counts:
    """An HTTP server that takes counts, as the extension does."""

    def __init__(self) -> None:
        counts = self
        self.taken: list[tuple[str, dict[str, Any]]] = []
        self.connections = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                counts.connections += 1

            def finish(self) -> None:
                super().finish()
                counts.connections -= 1

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                counts.taken.append((self.path.rpartition("/")[2], json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def address(self) -> distant.Address:
        endpoint = Endpoint(f"http://127.0.0.1:{self.http.server_address[1]}/x/", "s3cret")
        return distant.Address(endpoint, "a" * 32, 1)

    def told(self, steps: float, *, used: bool) -> bool:
        return bool(self.taken) and self.taken[-1][1] == {"steps": steps, "used": used}


@pytest.fixture
def counts() -> Iterator[Counts]:
    server = Counts()
    yield server
    server.http.shutdown()
    server.http.server_close()


def wait_until(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not found():
        assert time.monotonic() < end
        time.sleep(0.01)


def telegraphs() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if each.name == "progresswidget-telegraph"}


def test_a_worker_that_has_said_all_keeps_no_thread_and_no_connection(
    counts: Counts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distant, "REST", 0.0)
    before, folder = telegraphs(), str(tmp_path / "elsewhere")
    reporter = WorkerReporter(folder, counts.address)
    reporter.update(3)
    wait_until(lambda: counts.told(3, used=True))
    assert telegraphs() - before, "who is at work is not left alone"
    del reporter
    wait_until(lambda: counts.told(3, used=False))
    wait_until(lambda: not telegraphs() - before and not counts.connections)
    again = WorkerReporter(folder, counts.address)
    again.update(4)
    wait_until(lambda: counts.told(7, used=True))
    assert len({worker for worker, _ in counts.taken}) == 1


def test_who_is_not_counted_among_those_at_work_is_heard_at_any_time(
    counts: Counts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distant, "REST", 0.0)
    reporter = WorkerReporter(str(tmp_path / "elsewhere"), counts.address, inherited=True)
    for steps in range(1, 4):
        reporter.update(1)
        wait_until(lambda steps=steps: counts.told(steps, used=False))  # type: ignore[misc]
