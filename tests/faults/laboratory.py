"""A Jupyter server in a process of its own, seen by HTTP, by /proc and by its files."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import psutil
import reports
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from progresswidget.protocol import Json

HERE: Final = Path(__file__).parent
PACKAGES: Final = HERE.parents[1]
START_LIMIT: Final = 60.0
ANSWERS_WITHIN: Final = 0.5
"""Seconds within which a small request is answered, whatever else goes on."""
SLACK: Final = 4
"""Descriptors that a server may have more than before: its own database opens and closes some."""


def eventually(condition: Callable[[], Any], *, within: float = 60.0, what: str = "") -> Any:
    """Wait until a condition holds, by looking at it, and return what it says."""
    end = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < end, f"it did not come true in {within:g} s: {what}"
        time.sleep(0.01)
    return value


def bare_environment() -> dict[str, str]:
    """Return the variables of this process but for what its own Jupyter is told by them."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "JPY_", "PROGRESSWIDGET", "PYTEST"))
    }
    return own | {"PYTHONPATH": os.pathsep.join([str(PACKAGES), str(HERE)])}


def sha256(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class Answer:
    """An answer of the server, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The code of an error."""
        return str(self.json["code"])

    @property
    def offset(self) -> int:
        """How far an upload is."""
        value = self.headers["Upload-Offset"]
        if value is None:  # http.client takes a head that was cut for a whole one
            raise ConnectionError("the head of the answer was cut")
        return int(value)


@dataclass
class Server:
    """One server; `start` and `stop` may alternate, the folder and what is in it stay.

    Parameters
    ----------
    settings
        Of the extension.
    options
        More of the command line.
    environment
        More variables of the process.
    extensions
        More extensions to load, from this folder.
    before
        A command that starts the server's own, such as ``prlimit``.
    """

    folder: Path
    settings: Mapping[str, object] = field(default_factory=dict)
    options: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    extensions: Sequence[str] = ()
    before: Sequence[str] = ()
    base_url: str = "/"
    token: str = "5ECRETt0ken"
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    secret: str = ""
    pids: list[int] = field(default_factory=list)
    """Of all processes so far, in order."""

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- The process ---------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def directory(self) -> Path:
        """Where the server keeps its state."""
        (found,) = (self.folder / "runtime" / "progresswidget").iterdir()
        return found

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def _environment(self) -> dict[str, str]:
        own = bare_environment() | {
            f"JUPYTER_{name}_DIR": str(self.folder / name.lower())
            for name in ("CONFIG", "DATA", "RUNTIME")
        }
        own |= {"HOME": str(self.folder), "JUPYTER_TOKEN": self.token}
        return own | dict(self.environment)

    def _configure(self) -> None:
        folder = self.folder / "config"
        folder.mkdir(parents=True, exist_ok=True)
        enabled = dict.fromkeys(reports.OTHER_EXTENSIONS, False)
        enabled |= dict.fromkeys(["jupyter_server_ext", *self.extensions], True)
        content = {
            "ServerApp": {"jpserver_extensions": enabled},
            "ProgressExtension": dict(self.settings),
        }
        (folder / "jupyter_server_config.json").write_text(json.dumps(content))

    def start(self) -> Self:
        """Start the server and wait until it answers."""
        self._configure()
        self.port = self.port or free_port()
        command = [
            *self.before,
            sys.executable,
            "-m",
            "jupyter_server",
            "--ServerApp.open_browser=False",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.root}",
            f"--ServerApp.base_url={self.base_url}",
            "--ServerApp.allow_root=True",
            *self.options,
        ]
        with (self.folder / "server.log").open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env=self._environment()
            )
        self.pids.append(self.pid)
        try:
            eventually(self._answers, within=START_LIMIT, what="the start of the server")
        except AssertionError:
            self.close()
            raise AssertionError(f"the server did not start:\n{self.log}") from None
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log
        for path in self.folder.glob("runtime/progresswidget/*/endpoint.json"):
            # That of a server before may have lost its content with the power.
            content = json.loads(path.read_text() or "{}")
            if content.get("pid") == self.pid:
                self.secret = content["secret"]
                return self.request("GET", "api/jobs").status == 200
        return False

    def stop(self, sign: int = signal.SIGTERM, *, within: float = 30.0) -> None:
        """End the server, and wait until it has ended."""
        assert self.process is not None
        self.process.send_signal(sign)
        self.process.wait(within)
        self.process = None

    def kill(self) -> None:
        """End it as a loss of the machine would: no handler of it runs any more."""
        self.stop(signal.SIGKILL)

    def close(self) -> None:
        if self.process is not None:
            self.kill()

    def restart(self) -> Self:
        """Kill it, and start it again at the same port."""
        self.kill()
        return self.start()

    # --- What it holds ---------------------------------------------------------------------------

    def descriptors(self) -> list[str]:
        """Return what its open descriptors lead to."""
        found = []
        for name in (folder := Path(f"/proc/{self.pid}/fd")).iterdir():
            try:
                found.append(str((folder / name).readlink()))
            except FileNotFoundError:
                continue
        return sorted(found)

    def files_held(self) -> list[str]:
        """Return the user's files that it has open."""
        return [path for path in self.descriptors() if path.startswith(f"{self.root}/")]

    def rss(self) -> int:
        """Return the bytes of memory that it has now."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def forget_peak(self) -> None:
        """Let `peak` say what is the highest from now on."""
        # Documentation/filesystems/proc.rst, clear_refs: the peak begins anew.
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def peak(self) -> int:
        """Return the most bytes of memory that it has had, however short a time."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def threads(self) -> int:
        return int(psutil.Process(self.pid).num_threads())

    def staged(self) -> list[Path]:
        """Return the files of uploads that are not finished."""
        return sorted(self.root.rglob(".progresswidget-*.upload"))

    # --- Requests --------------------------------------------------------------------------------

    @property
    def base(self) -> str:
        """The path of the extension."""
        return f"{self.base_url}progresswidget/"

    def path(self, path: str) -> str:
        """Return a path as a client asks for it: what begins with no slash is the extension's."""
        return path if path.startswith("/") else self.base + path

    def url(self, path: str, port: int | None = None) -> str:
        return f"http://127.0.0.1:{port or self.port}{self.path(path)}"

    def connect(self, port: int | None = None, *, timeout: float = 60.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", port or self.port), timeout=timeout)

    def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        token: str | None = "",
        port: int | None = None,
    ) -> Answer:
        """Send a request as the token's owner, as another's (`token`), or as nobody (None)."""
        fields = dict(headers or {})
        if token is not None:
            fields.setdefault("Authorization", f"token {token or self.token}")
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        try:
            connection.request(method, self.path(path), body=body, headers=fields)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def tell(self, body: Json) -> Answer:
        """Report as a kernel does, and return the answer, whatever it is."""
        return self.request(
            "PUT",
            f"api/jobs/{body['taskId']}",
            headers={"Authorization": f"Kernel {self.secret}"},
            body=json.dumps(body).encode(),
        )

    def report(self, body: Json) -> Json:
        """Report as a kernel does."""
        answer = self.tell(body)
        assert answer.status == 200, answer.body
        reply: Json = answer.json
        return reply

    def publish(self, path: Path, **changes: Any) -> Json:
        """Report a finished export of `path`, and return the public record."""
        report = done_report(path, **changes)
        self.report(report)
        record: Json = self.request("GET", f"api/jobs/{report['taskId']}").json
        return record

    @contextmanager
    def watched(self, *, limit: float = ANSWERS_WITHIN, path: str = "api/jobs") -> Iterator[Watch]:
        """Ask something small all the time, and assert that each answer came soon enough.

        What the server waits for a processor, while others use them, is no time of its own.
        """
        watch = Watch(self, path)
        watch.start()
        try:
            yield watch
        finally:
            watch.stop()
        assert watch.failures == []
        assert watch.worst < limit, f"a small request took {watch.worst:.3f} s"


class Watch:
    """A user who asks something small all the time."""

    def __init__(self, server: Server, path: str) -> None:
        self._server = server
        self._path = path
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")
        self.times: list[float] = []
        self.failures: list[object] = []

    @property
    def worst(self) -> float:
        """Seconds that the slowest answer took, less what it was kept waiting."""
        return max(self.times, default=float("inf"))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        threads = (str(self._server.pid), f"self/task/{threading.get_native_id()}")
        while not self._over.is_set():
            before, start = sum(map(kept_waiting, threads)), time.monotonic()
            try:
                answer = self._server.request("GET", self._path)
            except OSError as error:
                self.failures.append(error)
                return
            took = time.monotonic() - start
            self.times.append(took - (sum(map(kept_waiting, threads)) - before))
            if answer.status != 200:
                self.failures.append(answer.status)
            self._over.wait(0.01)


def kept_waiting(thread: str) -> float:
    """Return how many seconds a thread of /proc could have run, and others were given its turn."""
    try:
        return int(Path(f"/proc/{thread}/schedstat").read_text().split()[1]) / 1e9
    except (OSError, IndexError):
        return 0.0  # a system that does not tell


class Baseline:
    """What a server holds when it is idle, and the assertion that it is so again."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._descriptors = len(server.descriptors())

    def assert_back(self, *, within: float = 60.0) -> None:
        """Assert that no descriptor and no temporary file is left."""
        server = self._server
        try:
            eventually(self._is_back, within=within)
        except AssertionError:
            held, left = server.descriptors(), server.staged()
            raise AssertionError(
                f"left: {len(held)} descriptors, {self._descriptors} before; "
                f"{server.files_held()}, {left}"
            ) from None

    def _is_back(self) -> bool:
        server = self._server
        few = len(server.descriptors()) <= self._descriptors + SLACK
        return few and not server.files_held() and not server.staged()


def make_report(task_id: str | None = None, **changes: Any) -> Json:
    """Return the report of a running export of this process, which the server can look at."""
    values = {"name": "export.bin", "mediaType": "application/octet-stream", "pid": os.getpid()}
    return reports.make_report(task_id, **(values | changes))


def done_report(path: Path, **changes: Any) -> Json:
    """Return the last report of an export that wrote `path`."""
    values = {"mediaType": "application/octet-stream", "pid": os.getpid()}
    return reports.done_report(path, **(values | changes))
