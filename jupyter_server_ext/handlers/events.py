"""``ws``: the way to the live channel, one connection a page, as `progresswidget.protocol` has it.

The request is checked and answered here; the connection is then a `Page`, and nothing of tornado's
HTTP stays behind it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from contextvars import Context
from http import HTTPStatus
from typing import ClassVar, Final

from jupyter_server.auth.decorator import authorized, ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.page import Page
from jupyter_server_ext.handlers.visitors import VisitorMixin
from jupyter_server_ext.http.access import AUTH_RESOURCE
from progresswidget.protocol import SUBPROTOCOL

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
"""RFC 6455 section 1.3."""
_VERSION: Final = "13"
_ANY_VERSION: Final = re.compile(r"v[0-9]{1,4}\.progress")
_KEY_SIZE: Final = 16


class EventsHandler(VisitorMixin, WebSocketMixin, JupyterHandler):
    """One page's request to be connected."""

    auth_resource: ClassVar[str] = AUTH_RESOURCE

    @ws_authenticated
    @authorized
    async def get(self) -> None:
        """Check everything before the upgrade: what is refused gets an answer in JSON."""
        await self.wait_until_started()
        accepted = self._check_handshake()
        if not self.check_origin():
            raise ApiError("origin-forbidden", "Pages of other origins are not served.")
        spoken = self._subprotocol()
        # A token is no person: all its connections count together.
        services, user = self.services, self.user_id
        if services.connected[user] >= services.max_connections_per_user:
            raise ApiError("too-many-connections", "Too many pages are connected.")
        # From here to the start nothing is awaited: no other page slips in beyond the limit.
        self.clear_header("Content-Type")
        self.set_status(HTTPStatus.SWITCHING_PROTOCOLS)
        self.set_header("Upgrade", "websocket")
        self.set_header("Connection", "Upgrade")
        self.set_header("Sec-WebSocket-Accept", accepted)
        self.set_header("Sec-WebSocket-Protocol", spoken)
        self.finish()
        # In a context of its own: jupyter_server's leads to this handler, and every timer and
        # callback of the page would keep it, with the request and all of its headers.
        Context().run(self._hand_over, user, spoken)

    def _hand_over(self, user: str, spoken: str) -> None:
        stream = self.detach()
        if stream.closed():
            return  # who asked has left meanwhile
        page = Page(self.services, user, stream, self.services.logins.of(self))
        if spoken == SUBPROTOCOL:
            page.start()
        else:
            page.refuse()

    def _subprotocol(self) -> str:
        """Return what is spoken, or another version that the page speaks and no other.

        A page is told nothing of a handshake that failed: what it reads is the code of a closing.
        """
        offered = self._words("Sec-WebSocket-Protocol")
        if SUBPROTOCOL in offered:
            return SUBPROTOCOL
        for name in offered:
            if _ANY_VERSION.fullmatch(name):
                return name
        raise ApiError("subprotocol-required", f"Only {SUBPROTOCOL} is spoken here.")

    def _words(self, name: str) -> list[str]:
        return [word.strip() for word in self.request.headers.get(name, "").split(",")]

    def _check_handshake(self) -> str:
        """Return the answer to the key: RFC 6455 section 4.2."""
        headers = self.request.headers
        upgrades = "upgrade" in [word.lower() for word in self._words("Connection")]
        is_websocket = headers.get("Upgrade", "").lower() == "websocket"
        version = headers.get("Sec-WebSocket-Version", "").strip()
        if not upgrades or not is_websocket or version != _VERSION:
            fields = {"Upgrade": "websocket", "Sec-WebSocket-Version": _VERSION}
            raise ApiError("upgrade-required", "This is a WebSocket.", headers=fields)
        key = headers.get("Sec-WebSocket-Key", "").strip()
        try:
            size = len(base64.b64decode(key, validate=True))
        except ValueError:  # characters that are none of base64's, or not even ASCII
            size = 0
        if size != _KEY_SIZE:
            raise ApiError("malformed", "Sec-WebSocket-Key must be 16 bytes in base64.")
        digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
        return base64.b64encode(digest).decode()
