"""A page that is connected: what it asks for, what it is told, and whether it is still there."""

from __future__ import annotations

import asyncio
import uuid
from functools import partial
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.channel.connection import Connection
from jupyter_server_ext.http.access import Access
from jupyter_server_ext.hub.framing import text_frame
from jupyter_server_ext.hub.subscriber import Subscriber
from jupyter_server_ext.hub.teller import everything
from jupyter_server_ext.model.transfer import may_see
from progresswidget import protocol
from progresswidget.protocol import (
    CLOSE_MALFORMED,
    CLOSE_RESTART,
    CLOSE_SILENT,
    CLOSE_SLOW,
    CLOSE_VERSION,
    MAX_FRAME,
    MalformedError,
    Subscribe,
)

if TYPE_CHECKING:
    from tornado.iostream import IOStream

    from jupyter_server_ext.channel.logins import Login
    from jupyter_server_ext.services import Services
    from progresswidget.protocol import ClientMessage, Json

_MOMENT: Final = 0.05
"""Seconds in which what waits in a socket is read and heard."""
_PATIENCE: Final = 100
"""Messages that may wait for a look at the login."""
_LENIENT: Final = frozenset({"unknown-type", "too-many"})
"""Mistakes that a newer or greedy client makes; any other one is a broken client."""


class Page:
    """One page's connection.

    Parameters
    ----------
    user
        Whose it is.
    stream
        After the handshake; it is the page's alone.
    login
        What the page has shown to be let in.
    """

    __slots__ = (
        "_access",
        "_asked",
        "_connection",
        "_gone",
        "_heard",
        "_held",
        "_login",
        "_loop",
        "_services",
        "_subscriber",
        "_timer",
        "_user",
        "_waits_since",
    )

    def __init__(self, services: Services, user: str, stream: IOStream, login: Login) -> None:
        self._services = services
        self._user = user
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[None] | None = None
        self._waits_since: float | None = None
        self._connection = Connection(stream, self, MAX_FRAME)
        self._login = login
        self._held: list[ClientMessage] | None = None  # what waits for a look at the login
        is_open = services.logins.is_open
        self._access = None if is_open else Access(login.ask, self._reconsider)
        self._subscriber = Subscriber(
            services.hub,
            self._wake,
            send=self._connection.send,
            patience=services.slow_timeout,
            sees=everything if self._access is None else self._access.sees,
            user=user,
        )
        self.heard()
        self._timer = self._loop.call_later(services.heartbeat, self._check)

    def start(self) -> None:
        """Say hello, and begin to listen."""
        services = self._services
        self._enter()
        self._subscriber.send(
            protocol.hello(
                session=uuid.uuid4().hex,
                heartbeat=services.heartbeat,
                timeout=services.heartbeat_timeout,
                timestamp=services.hub.timestamp(),
            )
        )
        services.hub.transfers.watch(self._subscriber, partial(may_see, self._user))
        for record in filter(self._subscriber.may_hear, services.transfers.active(self._user)):
            key = (record["userId"], record["fileId"])
            self._subscriber.transfer(key, services.hub.transfers.frame(record))
        self._connection.start()

    def refuse(self) -> None:
        """Say no more than that the page is of another version."""
        self._enter()
        self._connection.start()
        self._close(CLOSE_VERSION, "version")

    def _enter(self) -> None:
        self._login.pages.add(self)
        self._services.connections.add(self)
        self._services.connected[self._user] += 1

    def dismiss(self, code: int, reason: str) -> None:
        """Send the page away: it may not be here any more."""
        if self._held:
            self._held.clear()
        self._subscriber.close()
        self._close(code, reason)

    def reconsider(self) -> None:
        """Ask anew what the page may see."""
        if self._access is not None:
            self._access.renew(topic.data for topic in tuple(self._services.hub.topics()))

    def restart(self) -> asyncio.Future[None]:
        """Tell the page that the server is ending, and that another one may follow.

        Returns
        -------
        What is done when the page is gone.
        """
        if self._gone is None:
            self._gone = self._loop.create_future()
        self._close(CLOSE_RESTART, "restart")
        return self._gone

    # --- What the connection calls -------------------------------------------------------------

    def next_frame(self) -> bytes | None:
        """Return what the page is told next."""
        return self._subscriber.take()

    def received(self, message: str | bytes) -> None:
        """Do what the page asks for."""
        try:
            self._take(protocol.decode_client_message(message))
        except MalformedError as error:
            self._refuse(error)

    def _take(self, wish: ClientMessage) -> None:
        if self._held is not None:
            if len(self._held) >= _PATIENCE:
                raise MalformedError("too-many", "too many messages wait for the login")
            self._held.append(wish)
        elif isinstance(wish, Subscribe) and not self._login.is_fresh:
            self._held = [wish]
            self._login.check().add_done_callback(self._go_on)
        else:
            self._decide(wish)

    def _decide(self, wish: ClientMessage) -> None:
        if self._access is None:
            self._obey(wish)
        else:
            self._access.when_known(self._concerned(wish), partial(self._obey, wish))

    def _go_on(self, _: asyncio.Task[None]) -> None:
        held, self._held = self._held or [], None
        for wish in held:
            try:
                self._decide(wish)
            except MalformedError as error:
                self._refuse(error)

    def heard(self) -> None:
        """Note a sign of life."""
        self._heard = self._loop.time()
        self._asked = False

    def held_up(self) -> None:
        """Note since when it waits: the push that came now is not what its socket has."""
        self._services.hub.held_up += 1
        if self._waits_since is None:
            self._waits_since = self._loop.time()

    def goes_on(self) -> None:
        """Count what has waited, however much it is, as one late delivery."""
        if self._waits_since is not None:
            self._services.hub.delivery.observe(self._loop.time() - self._waits_since)
            self._waits_since = None

    def ended(self) -> None:
        """Leave every topic, and give the place to another page."""
        services = self._services
        self._login.leave(self)
        services.connections.discard(self)
        services.connected[self._user] -= 1
        if services.connected[self._user] <= 0:
            del services.connected[self._user]
        self._timer.cancel()
        self._subscriber.close()
        if self._access is not None:
            self._access.close()
        if self._gone is not None:
            self._gone.set_result(None)

    def _close(self, code: int, reason: str, last: bytes = b"") -> None:
        # Asked for again and again while a slow page does not answer: that is one end.
        if self._connection.close(code, reason, last):
            self._services.tally.closes[reason] += 1

    def _obey(self, wish: ClientMessage) -> None:
        try:
            self._subscriber.obey(wish)
        except MalformedError as error:
            self._refuse(error)

    def _refuse(self, error: MalformedError) -> None:
        text = protocol.error(
            code=error.code,
            message=error.message,
            timestamp=self._services.hub.timestamp(),
            re=error.re,
        )
        if error.code in _LENIENT:
            self._subscriber.send(text)
        else:
            last = text_frame(protocol.encode(text).encode())
            self._close(CLOSE_MALFORMED, error.code, last)

    def _concerned(self, wish: ClientMessage) -> list[Json]:
        hub = self._services.hub
        if not isinstance(wish, Subscribe):
            return []
        if wish.target is not None:
            return [topic.data for topic in hub.topics()]
        topics = [hub.topic(position.task_id) for position in wish.positions]
        return [topic.data for topic in topics if topic is not None]

    def _reconsider(self, task_id: str) -> None:
        self._subscriber.reconsider(task_id)

    def _wake(self) -> None:
        if self._subscriber.overflowed:
            self._close(CLOSE_SLOW, "slow")
        self._connection.wake()

    # --- Whether it is still there ---------------------------------------------------------------

    def _check(self) -> None:
        heartbeat = self._services.heartbeat
        silent = self._loop.time() - self._heard
        if silent < heartbeat:
            self._timer = self._loop.call_later(heartbeat - silent, self._check)
        elif not self._asked:
            # However late this is: a page that was not asked has kept no answer back.
            self._connection.ping()
            self._asked = True
            answer = self._services.heartbeat_timeout - heartbeat
            self._timer = self._loop.call_later(answer, self._check)
        else:
            # A loop that was held up has not read what came meanwhile, and that is no silence of
            # the page's: first the socket gets its turn.
            self._timer = self._loop.call_later(_MOMENT, self._judge)

    def _judge(self) -> None:
        if not self._asked:
            self._check()
        elif self._connection.has_unheard:
            self._timer = self._loop.call_later(_MOMENT, self._judge)
        else:
            self._close(CLOSE_SILENT, "silent")
