"""``api/openapi.json`` and ``api/asyncapi.json``: what there is to ask for, for programs."""

from __future__ import annotations

from functools import cache

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_server_ext.handlers.base import Handler
from jupyter_server_ext.schemas import path_of


class DocumentHandler(Handler):
    """One published document, as it lies in the package."""

    @web.authenticated
    @authorized
    async def get(self, name: str) -> None:
        """Return it."""
        self.finish(_text(name))


@cache
def _text(name: str) -> bytes:
    # Read once, and small: no thread is worth it.
    return path_of(name).read_bytes()
