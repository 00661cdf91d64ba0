"""``api/health``: how the server fares."""

from __future__ import annotations

import json
import time

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_server_ext.handlers.base import Handler
from jupyter_server_ext.monitoring.health import health


class HealthHandler(Handler):
    """All of it, for a probe and for people."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return what is well and what is not; a server that goes on from memory serves, too."""
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(await health(self.services, time.monotonic())))
