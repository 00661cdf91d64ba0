"""The servers that the transfer benchmarks compare: ours and its peers, each in one process.

Every server serves one folder on a free port of the loopback, and is measured from outside.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

TOKEN = "benchmark"
_TICKS = os.sysconf("SC_CLK_TCK")

TORNADO = """
import asyncio, sys
from tornado.web import Application, RequestHandler, StaticFileHandler
class Small(RequestHandler):
    def get(self): self.finish({"version": "1"})
async def main():
    files = (r"/files/(.*)", StaticFileHandler, {"path": sys.argv[2]})
    Application([files, (r"/api", Small)]).listen(int(sys.argv[1]), "127.0.0.1")
    await asyncio.Event().wait()
asyncio.run(main())
"""
AIOHTTP = """
import sys
from aiohttp import web
from pathlib import Path
async def file(request): return web.FileResponse(Path(sys.argv[2]) / request.match_info["name"])
async def small(request): return web.json_response({"version": "1"})
app = web.Application()
app.add_routes([web.get("/files/{name}", file), web.get("/api", small)])
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""
NGINX = """
worker_processes 1;
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  sendfile on;
  sendfile_max_chunk {chunk};
  tcp_nopush on;
  keepalive_requests 1000000;
  server {{
    listen 127.0.0.1:{port};
    location /files/ {{ alias {root}/; {more} }}
    location = /api {{ default_type application/json; return 200 '{{"version": "1"}}'; }}
  }}
}}
"""


@dataclass
class Server:
    """A running server.

    Parameters
    ----------
    pid
        The process that does the work.
    files
        The address of its files, up to the name.
    small
        The address of something small that needs no file.
    """

    name: str
    pid: int
    port: int
    files: str
    small: str

    def cpu(self) -> float:
        """Return the seconds of processor time used until now, of all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def status(self, name: str) -> int:
        """Return a number of /proc/<pid>/status."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise LookupError(name)

    def forget_peak(self) -> None:
        """Let `VmHWM` begin anew: proc_pid_clear_refs(5)."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def descriptors(self) -> int:
        """Return how many descriptors are open."""
        return sum(1 for _ in Path(f"/proc/{self.pid}/fd").iterdir())


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the server did not start: {process.args!r}") from None
            time.sleep(0.05)
        else:
            return


@contextmanager
def running(
    command: list[str], port: int, folder: Path, env: dict[str, str] | None = None
) -> Iterator[int]:
    """Run a command that listens on a port, and return its process id."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**os.environ, **(env or {})}
        )
        try:
            _wait(port, process)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def jupyter(
    root: Path,
    folder: Path,
    *,
    ours: bool,
    settings: dict[str, object] | None = None,
    server: dict[str, str] | None = None,
) -> Iterator[Server]:
    """Run jupyter_server, with our extension or without, and with settings of either."""
    port = free_port()
    config = {
        "ServerApp": {
            "jpserver_extensions": {"jupyter_server_ext": ours},
            "log_level": "WARN",
            **(server or {}),
        },
        "ProgressExtension": settings or {},
    }
    path = folder / "jupyter_server_config.json"
    path.write_text(json.dumps(config))
    command = [
        sys.executable, "-m", "jupyter_server", "--no-browser", f"--port={port}",
        "--ServerApp.ip=127.0.0.1", f"--ServerApp.root_dir={root}", "--allow-root",
        f"--IdentityProvider.token={TOKEN}", f"--config={path}",
    ]  # fmt: skip
    env = {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTER_NO_CONFIG": "0",
    }
    name = "progresswidget" if ours else "jupyter_server /files"
    files = "/progresswidget/contents/" if ours else "/files/"
    with running(command, port, folder, env) as pid:
        yield Server(name, pid, port, files, "/api")


@contextmanager
def script(name: str, source: str, root: Path, folder: Path) -> Iterator[Server]:
    """Run a server of a few lines."""
    port = free_port()
    command = [sys.executable, "-c", source, str(port), str(root)]
    with running(command, port, folder) as pid:
        yield Server(name, pid, port, "/files/", "/api")


@contextmanager
def nginx(name: str, chunk: str, root: Path, folder: Path, more: str = "") -> Iterator[Server]:
    """Run nginx with one worker, as the others have one process."""
    port = free_port()
    user = "user root;" if os.geteuid() == 0 else ""
    config = NGINX.format(folder=folder, port=port, root=root, chunk=chunk, user=user, more=more)
    path = folder / "nginx.conf"
    path.write_text(config)
    command = [str(find_nginx()), "-c", str(path), "-e", str(folder / "error.log")]
    with running(command, port, folder) as pid:
        yield Server(name, child(pid), port, "/files/", "/api")


def dav(name: str, root: Path, folder: Path) -> AbstractContextManager[Server]:
    """Run nginx so that it takes files by PUT, which it renames into place."""
    bodies = root.with_name(f"{root.name}.bodies")
    bodies.mkdir()
    more = f"dav_methods PUT; client_max_body_size 0; client_body_temp_path {bodies};"
    return nginx(name, "0", root, folder, more)


def child(pid: int) -> int:
    """Return the first child of a process, which may be about to start."""
    while True:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if found:
            return int(found[0])
        time.sleep(0.01)


def find_nginx() -> str | None:
    """Return the path of nginx, which is installed where Debian and root allow it."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and shutil.which("apt-get") and os.geteuid() == 0:
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for step in (["update", "-qq"], ["install", "-y", "-qq", "nginx-light"]):
            subprocess.run(["apt-get", *step], env=quiet, check=False)
        found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    return found


def peers(
    root: Path, work: Path, settings: dict[str, object] | None = None
) -> list[Callable[[], object]]:
    """Return what starts each server, ours first; nginx where it is installed or can be."""
    counter = iter(range(1_000_000))

    def fresh() -> Path:
        folder = work / f"server-{next(counter)}"
        folder.mkdir()
        return folder

    found: list[Callable[[], object]] = [
        lambda: jupyter(root, fresh(), ours=True, settings=settings),
        lambda: jupyter(root, fresh(), ours=False),
        lambda: script("tornado StaticFileHandler", TORNADO, root, fresh()),
        lambda: script("aiohttp FileResponse", AIOHTTP, root, fresh()),
    ]
    if find_nginx() is not None:
        found.append(lambda: nginx("nginx, sendfile", "0", root, fresh()))
        found.append(lambda: nginx("nginx, 2 MiB slices", "2m", root, fresh()))
    return found
