"""A JupyterHub on loopback: its proxy, its people, and a server with the extension for each."""

from __future__ import annotations

import http.client
import json
import secrets
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING, Final, Self

import programs
import psutil
from laboratory import Answer, Server, bare_environment, eventually
from page import Page
from ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from progresswidget.protocol import Json

START_LIMIT: Final = 120.0
PASSWORD: Final = "a password for everybody"

CONFIGURATION = """
c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/"
c.JupyterHub.public_url = "http://127.0.0.1:{port}/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{folder}/cookie_secret"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}"
c.ConfigurableHTTPProxy.command = {proxy!r}
c.ConfigurableHTTPProxy.pid_file = "{folder}/proxy.pid"
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = {password!r}
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/{{username}}"
c.Spawner.notebook_dir = "~/root"
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--ServerApp.allow_root=True", "--LabApp.expose_app_in_browser=True"]
c.Spawner.environment = {{
    "JUPYTERHUB_ACTIVITY_INTERVAL": "1",
    "JUPYTERLAB_SETTINGS_DIR": "{folder}/settings",
}}
c.Spawner.start_timeout = {limit}
c.Spawner.http_timeout = {limit}
c.JupyterHub.services = [{{"name": "tests", "api_token": {token!r}}}]
c.JupyterHub.load_roles = [
    {{
        "name": "tests",
        "services": ["tests"],
        "scopes": ["admin:users", "admin:servers", "tokens", "access:servers"],
    }}
]
"""


class Hub:
    """A hub and its proxy in processes of their own, and the servers that they start.

    Parameters
    ----------
    folder
        Where everybody has a home, and the hub what it remembers.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._token = secrets.token_hex(16)
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        configuration = self._folder / "jupyterhub_config.py"
        configuration.write_text(
            CONFIGURATION.format(
                folder=self._folder,
                port=self.port,
                hub=free_port(),
                api=free_port(),
                proxy=programs.hub_proxy(),
                password=PASSWORD,
                python=sys.executable,
                limit=int(START_LIMIT),
                token=self._token,
            )
        )
        # Nothing is asked of the outside world.
        notices = self._folder / "settings" / "@jupyterlab" / "apputils-extension"
        notices.mkdir(parents=True)
        text = json.dumps({"fetchNews": "false", "checkForUpdates": False})
        (notices / "notification.jupyterlab-settings").write_text(text)
        environment = bare_environment() | {"HOME": str(self._folder)}
        command = [sys.executable, "-m", "jupyterhub", "-f", str(configuration)]
        with (self._folder / "hub.log").open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=self._folder, env=environment, stdout=output, stderr=output
            )
        eventually(self._answers, within=START_LIMIT, what="the start of the hub")
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        started = psutil.Process(self._process.pid).children(recursive=True)
        # It ends its proxy and everybody's server first, when it is asked to.
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        finally:
            self._process.kill()
            _, left = psutil.wait_procs(started, timeout=30)
            for process in left:
                process.kill()
        assert not left, f"the hub left {left}:\n{self.log}"

    @property
    def log(self) -> str:
        """What the hub, its proxy and all servers say."""
        return (self._folder / "hub.log").read_text(errors="replace")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            return self.request("GET", "").status == 200
        except OSError:
            return False

    def request(self, method: str, path: str, body: Json | None = None) -> Answer:
        """Ask the hub, as one who may do everything."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_LIMIT)
        try:
            connection.request(
                method,
                f"/hub/api/{path}",
                body=None if body is None else json.dumps(body).encode(),
                headers={"Authorization": f"token {self._token}"},
            )
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def start(self, name: str) -> Server:
        """Make a person, start their server, and return it as they see it: through the proxy."""
        seen = Server(self._folder / name, base_url=f"/user/{name}/", port=self.port)
        assert self.request("POST", f"users/{name}").status == 201
        seen.token = self.token(name)
        assert self.request("POST", f"users/{name}/server").status in {201, 202}
        eventually(lambda: self._server_of(name)["ready"], within=START_LIMIT, what=name)
        return seen

    def token(self, name: str, *scopes: str) -> str:
        """Return a new token of a person, which may do what they may, or what is said."""
        body: Json = {"note": "tests"} | ({"scopes": list(scopes)} if scopes else {})
        answer = self.request("POST", f"users/{name}/tokens", body)
        assert answer.status == 201, answer.body
        return str(answer.json["token"])

    def last_activity(self, name: str) -> str:
        """Return when the server was last used as the hub knows, which is what a culler asks."""
        return str(self._server_of(name)["last_activity"])

    def _server_of(self, name: str) -> Json:
        found: Json = self.request("GET", f"users/{name}").json["servers"][""]
        return found


class Kernel:
    """A kernel of somebody's server, which is given cells through the proxy."""

    def __init__(self, server: Server) -> None:
        self._server = server
        # With a path, as a notebook has one: it starts in the root and not where the server did.
        body = b'{"path": "/"}'
        answer = server.request("POST", f"{server.base_url}api/kernels", body=body)
        assert answer.status == 201, answer.body
        self._path = f"{server.base_url}api/kernels/{answer.json['id']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.request("DELETE", self._path).status == 204

    def run(self, code: str) -> str:
        """Run a cell to its end, and return what it printed."""
        header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
        header |= {"username": "", "session": uuid.uuid4().hex, "date": ""}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content}
        printed = ""
        # Reply and output come by different ways: only "idle" is behind all that was printed.
        left = {"execute_reply", "idle"}
        own = {"Sec-WebSocket-Protocol": None}
        with Page(self._server, own, path=f"{self._path}/channels", timeout=120) as channel:
            channel.write(message | {"channel": "shell", "buffers": []})
            while left:
                said = channel.receive()
                assert said is not None, f"closed with {channel.close_code}"
                if said["parent_header"].get("msg_id") != header["msg_id"]:
                    continue
                kind, content = said["header"]["msg_type"], said["content"]
                if kind == "error":
                    raise AssertionError("\n".join(content["traceback"]))
                if kind == "stream" and content["name"] == "stdout":
                    printed += content["text"]
                left -= {kind, content.get("execution_state", kind)}
        return printed
