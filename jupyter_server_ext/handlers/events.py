"""``ws``: the live channel, one connection a page, as `progresswidget.protocol` describes it."""

from __future__ import annotations

import asyncio
import uuid
from contextlib import suppress
from functools import partial
from typing import ClassVar, Final

from jupyter_server.auth.decorator import authorized, ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado.iostream import StreamClosedError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from jupyter_server_ext.access import AUTH_RESOURCE
from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.base import ErrorsMixin
from jupyter_server_ext.logs import about
from jupyter_server_ext.subscriber import Subscriber
from jupyter_server_ext.transferrecords import may_see
from progresswidget import protocol
from progresswidget.protocol import (
    CLOSE_MALFORMED,
    CLOSE_RESTART,
    CLOSE_SILENT,
    CLOSE_SLOW,
    MAX_FRAME,
    SUBPROTOCOL,
    MalformedError,
)

_MOMENT: Final = 0.05
"""Seconds in which what waits in a socket is read and heard."""
_LENIENT: Final = frozenset({"unknown-type", "too-many"})
"""Mistakes that a newer or greedy client makes; any other one is a broken client."""


class EventsHandler(ErrorsMixin, WebSocketMixin, WebSocketHandler, JupyterHandler):
    """One page's connection."""

    auth_resource: ClassVar[str] = AUTH_RESOURCE
    # The mixin counts this in milliseconds and tornado in seconds. Neither starts its own pings;
    # ours are below.
    ping_interval = 0
    max_message_size = MAX_FRAME
    _counted = _opened = _ended = False

    @ws_authenticated
    @authorized
    async def get(self) -> None:
        """Check everything before the upgrade: what is refused gets an answer in JSON."""
        await self.wait_until_started()
        if self.request.headers.get("Upgrade", "").lower() != "websocket":
            fields = {"Upgrade": "websocket"}
            raise ApiError("upgrade-required", "This is a WebSocket.", headers=fields)
        if not self.check_origin():
            raise ApiError("origin-forbidden", "Pages of other origins are not served.")
        offered = self.request.headers.get("Sec-WebSocket-Protocol", "")
        if SUBPROTOCOL not in [name.strip() for name in offered.split(",")]:
            raise ApiError("subprotocol-required", f"Only {SUBPROTOCOL} is spoken here.")
        # A token is no person: all its connections count together.
        self._owner = self.user_id
        if self.services.connected[self._owner] >= self.services.max_connections_per_user:
            raise ApiError("too-many-connections", "Too many pages are connected.")
        # Counted here and not in `open`: many may be on their way there.
        self.services.connected[self._owner] += 1
        self._counted = True
        try:
            await super().get()
        finally:
            # The upgrade failed; a connection that was opened gives its place back in `on_close`.
            if not self._opened:
                self._give_back()

    def select_subprotocol(self, subprotocols: list[str]) -> str | None:
        """Return the one there is."""
        return SUBPROTOCOL if SUBPROTOCOL in subprotocols else None

    def open(self) -> None:
        """Say hello, and start to write and to listen for silence."""
        services, loop = self.services, asyncio.get_running_loop()
        services.connections.add(self)
        self.gone = asyncio.Event()
        self._news = asyncio.Event()
        self._subscriber = Subscriber(services.hub, self._wake, patience=services.slow_timeout)
        self._subscriber.send(
            protocol.hello(
                session=uuid.uuid4().hex,
                heartbeat=services.heartbeat,
                timestamp=services.hub.timestamp(),
            )
        )
        services.hub.watch(self._subscriber, partial(may_see, self._owner))
        for record in services.transfers.active(self._owner):
            key = (record["userId"], record["fileId"])
            self._subscriber.transfer(key, services.hub.transfer_frame(record))
        self._writer = loop.create_task(self._write())
        self._note_life()
        self._timer = loop.call_later(services.heartbeat, self._listen)
        self._opened = True

    def on_message(self, message: str | bytes) -> None:
        """Do what the page asks for."""
        self._note_life()
        try:
            self._subscriber.obey(protocol.decode_client_message(message))
        except MalformedError as error:
            text = protocol.error(
                code=error.code,
                message=error.message,
                timestamp=self.services.hub.timestamp(),
                re=error.re,
            )
            if error.code in _LENIENT:
                self._subscriber.send(text)
            else:
                self.write_message(protocol.encode(text))
                self._end(CLOSE_MALFORMED, error.code)

    def on_ping(self, data: bytes) -> None:
        """Note a sign of life; tornado answers it."""
        self._note_life()

    def on_pong(self, data: bytes) -> None:
        """Note a sign of life."""
        self._note_life()

    def on_close(self) -> None:
        """Leave every topic, and give the place to another page."""
        self._give_back()
        self.services.connections.discard(self)
        if not self._opened:
            return
        self._timer.cancel()
        self._writer.cancel()
        self._subscriber.close()
        self.gone.set()

    def _give_back(self) -> None:
        if not self._counted:
            return
        self._counted = False
        self.services.connected[self._owner] -= 1
        if self.services.connected[self._owner] <= 0:
            del self.services.connected[self._owner]

    def _end(self, code: int, reason: str) -> None:
        # Asked for again and again while a slow page does not answer: that is one end.
        if not self._ended:
            self._ended = True
            self.services.tally.closes[reason] += 1
        self.close(code, reason)

    def restart(self) -> None:
        """Tell the page that the server is ending, and that another one may follow."""
        self._end(CLOSE_RESTART, "restart")

    def _wake(self) -> None:
        if self._subscriber.overflowed:
            self._end(CLOSE_SLOW, "slow")
        self._news.set()

    async def _write(self) -> None:
        # Each frame waits for the one before to be taken: what is behind stays in the subscriber,
        # where it is a mark, and does not pile up in the socket's buffer.
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while (frame := self._subscriber.take()) is not None:
                    await self._send(frame)
        except (StreamClosedError, WebSocketClosedError):
            extra = about("page-left")
            self.log.debug("A page left while it was being told something", extra=extra)

    async def _send(self, frame: bytes) -> None:
        connection = self.ws_connection
        if connection is None or connection.stream is None or connection.is_closing():
            raise WebSocketClosedError
        # A whole frame: tornado would frame it again for each page.
        await connection.stream.write(frame)

    def _note_life(self) -> None:
        self._heard = asyncio.get_running_loop().time()
        self._asked = False

    def _listen(self) -> None:
        loop, heartbeat = asyncio.get_running_loop(), self.services.heartbeat
        silent = loop.time() - self._heard
        if silent < heartbeat:
            self._timer = loop.call_later(heartbeat - silent, self._listen)
        elif not self._asked:
            # However late this is: a page that was not asked has kept no answer back.
            with suppress(WebSocketClosedError):
                self.ping()
            self._asked = True
            self._timer = loop.call_later(heartbeat, self._listen)
        else:
            # A loop that was held up has not read what came meanwhile, and that is no silence of
            # the page's: first the socket gets its turn.
            self._timer = loop.call_later(_MOMENT, self._judge)

    def _judge(self) -> None:
        if not self._asked:
            self._listen()
        elif self._has_unheard():
            self._timer = asyncio.get_running_loop().call_later(_MOMENT, self._judge)
        else:
            self._end(CLOSE_SILENT, "silent")

    def _has_unheard(self) -> bool:
        # A stream that is not waiting for bytes has some that nobody has looked at.
        stream = None if self.ws_connection is None else self.ws_connection.stream
        return stream is not None and not stream.reading()
