"""nginx in front of a server, with the settings that it comes with or with stricter ones."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Final, Literal, Self

import programs
from laboratory import eventually
from ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

Upgrades = Literal["pass", "drop", "forbid"]

BEGIN: Final = """
daemon off;
{user}
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
"""
"""What every configuration of a test begins with: all that nginx writes is below `folder`."""
CONFIGURATION: Final = (
    BEGIN
    + """    client_max_body_size 1m;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{target};
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            proxy_read_timeout {idle}s;
            proxy_send_timeout {idle}s;
            {upgrades}
        }}
    }}
}}
"""
)
_UPGRADES: Final[dict[Upgrades, str]] = {
    "pass": """
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;""",
    # What it does where nobody has told it about WebSockets.
    "drop": 'proxy_set_header Connection "";',
    "forbid": 'proxy_set_header Connection ""; if ($http_upgrade != "") { return 403; }',
}


class Nginx:
    """One nginx.

    Parameters
    ----------
    target
        The port of the server.
    idle
        Seconds after which it cuts what is silent.
    upgrades
        What becomes of a request to speak WebSocket.
    """

    def __init__(
        self, folder: Path, target: int, *, idle: int = 60, upgrades: Upgrades = "pass"
    ) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._target, self._idle = folder, target, idle
        self.port = free_port()
        self._configuration = folder / "nginx.conf"
        self._configure(upgrades)
        self._process: subprocess.Popen[bytes] | None = None

    def _configure(self, upgrades: Upgrades) -> None:
        self._configuration.write_text(
            CONFIGURATION.format(
                folder=self._folder,
                port=self.port,
                target=self._target,
                idle=self._idle,
                user="user root;" if os.geteuid() == 0 else "",
                upgrades=_UPGRADES[upgrades],
            )
        )

    def __enter__(self) -> Self:
        command = [programs.path("nginx"), "-p", str(self._folder), "-c", str(self._configuration)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        eventually((self._folder / "nginx.pid").exists)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)

    def reload(self, upgrades: Upgrades) -> None:
        """Change what becomes of upgrades; requests that wait are finished as they began."""
        assert self._process is not None
        self._configure(upgrades)
        self._process.send_signal(signal.SIGHUP)
