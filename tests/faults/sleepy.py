"""Another extension of the same server, written badly: it sleeps on the event loop."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from jupyter_server.base.handlers import JupyterHandler
from tornado import web

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


class SleepHandler(JupyterHandler):
    """Blocks the event loop for as many seconds as the address says."""

    @web.authenticated
    def get(self, seconds: str) -> None:
        """Sleep, as no handler should."""
        time.sleep(float(seconds))
        self.finish("well slept")


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "sleepy"}]


def _load_jupyter_server_extension(app: ServerApp) -> None:
    pattern = rf"{app.base_url}sleepy/([0-9.]+)"
    app.web_app.add_handlers(".*$", [(pattern, SleepHandler)])
