"""A real JupyterLab or Notebook 7 in a process of its own, as a user would start it."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ports import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

START_LIMIT = 120.0
STOP_LIMIT = 30.0
LIMIT = 60.0
"""Seconds for an answer."""

# What neither the bar nor a test has to do with: each page would load and start it all.
UNUSED = (
    *(
        f"@jupyterlab/{name}-extension"
        for name in (
            "celltags",
            "completer",
            "debugger",
            "extensionmanager",
            "help",
            "htmlviewer",
            "imageviewer",
            "inspector",
            "javascript",
            "lsp",
            "mathjax",
            "mermaid",
            "metadataform",
            "pdf",
            "terminal",
            "toc",
            "tooltip",
            "vega5",
            "workspaces",
        )
    ),
    "@jupyterlab/apputils-extension:splash",
    # Its menu has the server list the formats of nbconvert: seconds of work, and a server that is
    # told to stop in the middle of it waits for ever for a thread that nobody stops.
    "@jupyterlab/notebook-extension:export",
    "@jupyter-notebook/lab-extension",
)


@dataclass
class JupyterProcess:
    """One server; `start` and `stop` may alternate, the folder and what is in it stay."""

    folder: Path
    application: str = "lab"
    base_url: str = "/"
    password: str | None = None
    options: Sequence[str] = ()
    labextension: bool = True
    tls: bool = False
    python: str = sys.executable
    variables: dict[str, str] = field(default_factory=dict)
    locale: str | None = None
    token: str = field(default_factory=lambda: secrets.token_hex(16))
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> Path:
        """Where the notebooks are."""
        return self.folder / "root"

    @property
    def url(self) -> str:
        """The address of the server, with its base URL."""
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}{self.base_url}"

    @property
    def log(self) -> str:
        """What the server has said."""
        return (self.folder / "server.log").read_text(errors="replace")

    def environment(self) -> dict[str, str]:
        """Return variables that keep the developer's own Jupyter out of the test."""
        variables = {
            name: str(self.folder / name.split("_")[1].lower())
            for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
        }
        variables["IPYTHONDIR"] = str(self.folder / "ipython")
        variables["PYTHONFAULTHANDLER"] = "1"  # see `api`
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JUPYTER", "JPY_", "PROGRESSWIDGET", "PYTEST"))
        }
        return {**inherited, **variables, **self.variables}

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._configure()
        self.port = self.port or free_port()
        class_ = {"lab": "LabApp", "notebook": "JupyterNotebookApp"}[self.application]
        command = [self.python, "-m", f"jupyter{'lab' if self.application == 'lab' else ''}"]
        if self.application == "notebook":
            command = [self.python, "-m", "notebook"]
        command += [
            "--ServerApp.open_browser=False",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.root}",
            f"--ServerApp.base_url={self.base_url}",
            "--ServerApp.allow_root=True",
            f"--{class_}.expose_app_in_browser=True",
            *(self._certify() if self.tls else ()),
            *self.options,
        ]
        environment = self.environment()
        if self.password is None:
            environment["JUPYTER_TOKEN"] = self.token
        with (self.folder / "server.log").open("ab") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environment, start_new_session=True
            )
        deadline = time.monotonic() + START_LIMIT
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server did not start:\n{self.log}")
            time.sleep(0.05)

    def _configure(self) -> None:
        settings = self.folder / "config" / "lab" / "user-settings"
        notices = settings / "@jupyterlab" / "apputils-extension"
        notices.mkdir(parents=True, exist_ok=True)
        # Nothing is asked of the outside world, and no dialog about news covers the page.
        text = json.dumps({"fetchNews": "false", "checkForUpdates": False})
        (notices / "notification.jupyterlab-settings").write_text(text)
        if self.locale is not None:
            language = settings / "@jupyterlab" / "translation-extension"
            language.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"locale": self.locale})
            (language / "plugin.jupyterlab-settings").write_text(text)
        disabled = dict.fromkeys(UNUSED, True)
        if not self.labextension:
            disabled["progresswidget"] = True
        # What `jupyter labextension disable … --level=user` writes.
        page_config = self.folder / "config" / "labconfig" / "page_config.json"
        page_config.parent.mkdir(parents=True, exist_ok=True)
        page_config.write_text(json.dumps({"disabledExtensions": disabled}))
        if self.password is not None:
            from jupyter_server.auth import passwd

            hashed = passwd(self.password, algorithm="sha1")
            config = {"IdentityProvider": {"token": ""}}
            config["PasswordIdentityProvider"] = {"hashed_password": hashed}
            path = self.folder / "config" / "jupyter_server_config.json"
            path.write_text(json.dumps(config))

    def _certify(self) -> list[str]:
        """Sign a certificate for ourselves, as people do behind no domain of their own."""
        certificate, key = self.folder / "certificate.pem", self.folder / "key.pem"
        if not certificate.exists():
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                 "-subj", "/CN=notebooks.example", "-keyout", key, "-out", certificate],
                check=True, capture_output=True,
            )  # fmt: skip
        return [f"--ServerApp.certfile={certificate}", f"--ServerApp.keyfile={key}"]

    @property
    def _trust(self) -> ssl.SSLContext | None:
        if not self.tls:
            return None
        context = ssl.create_default_context(cafile=self.folder / "certificate.pem")
        context.check_hostname = False
        return context

    def _answers(self) -> bool:
        try:
            with urlopen(f"{self.url}login", timeout=5, context=self._trust) as answer:
                return bool(answer.status == 200)
        except OSError as error:
            return getattr(error, "code", None) is not None

    def api(self, path: str, method: str = "GET", body: Any = None) -> Any:
        """Call the server's REST API with the token and return the JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data=data, method=method)
        request.add_header("Authorization", f"token {self.token}")
        try:
            with urlopen(request, timeout=LIMIT, context=self._trust) as answer:
                content = answer.read()
        except TimeoutError as error:
            raise AssertionError(f"no answer to {method} {path}:\n{self._stand()}") from error
        return json.loads(content) if content else None

    def _stand(self) -> str:
        """End a server that does not answer; return where its threads stood, which it then logs."""
        if self.process is not None:
            self.process.send_signal(signal.SIGABRT)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_LIMIT)
        return self.log[-20_000:]

    def jobs(self) -> list[dict[str, Any]]:
        """Return the public records of all jobs."""
        found: list[dict[str, Any]] = self.api("progresswidget/api/jobs")
        return found

    def secret(self) -> str:
        """Return what kernels report with, once the extension has said it."""
        deadline = time.monotonic() + START_LIMIT
        while True:
            for path in self.folder.glob("runtime/progresswidget/*/endpoint.json"):
                return str(json.loads(path.read_text())["secret"])
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def kernel_pid(self) -> int:
        """Return the process id of the one kernel that runs."""
        (kernel,) = self.api("api/kernels")
        return kernel_process(kernel["id"])

    def stop(self, signal_: int = signal.SIGTERM) -> None:
        """Stop the server and its kernels."""
        if self.process is None:
            return
        self.process.send_signal(signal_)
        try:
            self.process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _shut_down(self, session: str) -> None:
        try:
            self.api(f"api/sessions/{session}", "DELETE")
        except HTTPError as error:
            # While it starts a kernel that was killed anew jupyter_server fails at ending it.
            assert error.code in {404, 500}, error  # noqa: PT017 - any other is raised as it is
            time.sleep(0.1)

    def _is_up(self, kernel_id: str) -> bool:
        """Say whether a kernel listens where the server talks to it."""
        import psutil

        try:
            text = (self.folder / "runtime" / f"kernel-{kernel_id}.json").read_text()
            process = psutil.Process(kernel_process(kernel_id))
            listening = {
                connection.laddr.port
                for connection in process.net_connections("tcp")
                if connection.status == psutil.CONN_LISTEN
            }
        except (OSError, AssertionError, psutil.Error):  # it is being started anew, or given up
            return False
        return json.loads(text)["control_port"] in listening

    def clear(self) -> None:
        """Shut all kernels down, forget all jobs and empty the root folder, for the next test."""
        deadline = time.monotonic() + START_LIMIT
        while sessions := self.api("api/sessions"):
            assert time.monotonic() < deadline, "a kernel outlives its session"
            # While one starts, its port may have gone to a kernel of another server. jupyter_client
            # then has nobody to send its request to, and waits for ever, with the server's loop.
            up = [session for session in sessions if self._is_up(session["kernel"]["id"])]
            for session in up:
                self._shut_down(session["id"])
            if not up:
                time.sleep(0.05)
        deadline = time.monotonic() + STOP_LIMIT
        while self.api("progresswidget/api/jobs?status=queued,running,paused"):
            assert time.monotonic() < deadline, "a job outlives its kernel"
            time.sleep(0.1)
        for job in self.jobs():
            self.api(f"progresswidget/api/jobs/{job['taskId']}", "DELETE")
        for item in self.root.iterdir():
            if item.is_dir():
                shutil.rmtree(item)
            else:
                item.unlink()


def kernel_process(kernel_id: str) -> int:
    """Return the process that was started with the connection file of a kernel."""
    import psutil

    for process in psutil.process_iter(["cmdline"]):
        if any(f"kernel-{kernel_id}" in part for part in process.info["cmdline"] or ()):
            return int(process.pid)
    raise AssertionError(f"kernel {kernel_id} has no process")
