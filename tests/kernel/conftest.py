"""What the kernel's tests share: a server to report to, which is a real HTTP server."""

from __future__ import annotations

import importlib.util
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from progresswidget import protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class ReportingServer:
    """An HTTP server that takes reports as the extension does, and can be told to misbehave.

    The extension itself is put to the test in `tests/server` and `tests/e2e`; here the answers
    must be chosen, which a server that is right does not allow.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.secret = "s3cret"
        self.reports: list[protocol.Json] = []
        self.arrived = threading.Condition()
        self.status = 200
        self.control: protocol.Json | None = None
        self.reply: bytes | None = None
        self._http: ThreadingHTTPServer | None = None

    @property
    def endpoint_file(self) -> Path:
        return self.folder / "endpoint.json"

    def start(self) -> None:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.server is not server._http:  # a stopped server answers nobody
                    self.close_connection = True
                    return
                right = self.headers["Authorization"] == f"Kernel {server.secret}"
                status = server.status if right else 403
                with server.arrived:
                    if status == 200:
                        task_id = self.path.rsplit("/", 1)[1]
                        server.reports.append(protocol.decode_report(task_id, body))
                        server.arrived.notify_all()
                usual = {"control": server.control, "url": "/x/files/1/a.csv", "notebook": None}
                content = server.reply or json.dumps(usual).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        port = self._http.server_address[1]
        endpoint = {"version": 1, "url": f"http://127.0.0.1:{port}/x/", "secret": self.secret}
        self.endpoint_file.write_text(json.dumps(endpoint))

    def stop(self) -> None:
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def wait_for(self, status: str, task_id: str | None = None) -> protocol.Json:
        """Wait for a report with a status and return it."""

        def found() -> protocol.Json | None:
            for report in self.reports:
                if report["status"] == status and task_id in {None, report["taskId"]}:
                    return report
            return None

        with self.arrived:
            assert self.arrived.wait_for(found, timeout=30), self.reports
            report = found()
        assert report is not None
        return report


@pytest.fixture
def reporting_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReportingServer]:
    server = ReportingServer(tmp_path)
    server.start()
    monkeypatch.setenv(protocol.ENDPOINT_VARIABLE, str(server.endpoint_file))
    yield server
    server.stop()


@pytest.fixture
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(protocol.ENDPOINT_VARIABLE, raising=False)


@pytest.fixture(scope="session")
def postgres_uri() -> Iterator[str]:
    """The address, with a password, of a real PostgreSQL that is empty."""
    place = Path(__file__).with_name("postgres.py")
    spec = importlib.util.spec_from_file_location("kernel_postgres", place)
    assert spec is not None
    assert spec.loader is not None
    postgres: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(postgres)
    if postgres.find() is None:
        postgres.install()
    programs = postgres.find()
    if programs is None:
        pytest.skip("there is no PostgreSQL, and it cannot be installed here")
    with postgres.running(programs) as uri:
        yield uri
