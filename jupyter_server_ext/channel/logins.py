"""Whether those who are connected may still be: a WebSocket must not outlive its login.

A connection is let in once. Who it was is asked again at intervals, as if the same request came
anew, and at once where somebody logs out: jupyter_server's own cookies say nothing of that.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from jupyter_core.utils import ensure_async
from jupyter_server.auth.authorizer import AllowAllAuthorizer
from jupyter_server.auth.identity import (
    IdentityProvider,
    LegacyIdentityProvider,
    PasswordIdentityProvider,
)
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from jupyter_server_ext.http.access import AUTH_RESOURCE, is_invented
from jupyter_server_ext.logs import about
from progresswidget.protocol import CLOSE_FORBIDDEN, CLOSE_LOGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from jupyter_server.auth import User
    from tornado.web import Application

    from jupyter_server_ext.http.access import Answer, JobResource

    Request = Any
    """A handler of jupyter_server's that knows whose request it has."""
    Key = tuple[str, ...]

_log: Final = logging.getLogger(__name__)
_FRESH: Final = 1.0
"""Seconds after a check in which a page that asks for more needs no other one."""
_AT_ONCE: Final = 50
"""Checks that are under way at a time."""
_PATIENCE: Final = 30.0
"""Seconds that one may take."""
_KNOWN_FIELDS: Final = ("Authorization", "Cookie", "Host")
"""What jupyter_server's own ways to sign in look at; what others do nobody knows."""
_OWN: Final = (IdentityProvider, PasswordIdentityProvider, LegacyIdentityProvider)


class Connected(Protocol):
    """A page that is connected, as far as its login and the end of the server concern it."""

    def dismiss(self, code: int, reason: str) -> None:
        """Close the connection: the page may not be here any more."""

    def reconsider(self) -> None:
        """Look anew at what it may see."""

    def restart(self) -> asyncio.Future[None]:
        """Close the connection: the server stops, and another one may follow."""


class _Nowhere:
    """The connection of a request that is only asked about, and never answered."""

    def __init__(self, remote_ip: str, protocol: str) -> None:
        self.remote_ip, self.protocol = remote_ip, protocol
        self.context = self

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Do nothing: it never closes."""


class Login:
    """What some pages have shown to be let in: one for all that have shown the same.

    Parameters
    ----------
    logins
        All of them.
    handler
        The request of the first page.
    """

    __slots__ = (
        "_asked",
        "_checking",
        "_cookies",
        "_headers",
        "_logins",
        "_uri",
        "_whence",
        "checked",
        "key",
        "pages",
        "user",
        "username",
    )

    def __init__(self, logins: Logins, handler: Request, key: Key) -> None:
        request = handler.request
        self._logins, self.key = logins, key
        self._headers = dict(zip(key[1::2], key[2::2], strict=True))
        # As they were shown: whoever logs out is looked for among all logins.
        self._cookies = {name: morsel.value for name, morsel in request.cookies.items()}
        self._uri = key[0]
        self._whence = _Nowhere(request.remote_ip or "", request.protocol)
        self.user, self.username = handler.user_id, str(handler.current_user.username)
        self.pages: set[Connected] = set()
        self.checked = logins.now()
        self._checking: asyncio.Task[None] | None = None
        self._asked: Request | None = None
        if not logins.is_open:
            self._asked = self._revive(handler.current_user)

    @property
    def is_fresh(self) -> bool:
        """Whether it was looked at a moment ago."""
        return self._logins.now() - self.checked < _FRESH

    def ask(self, resource: JobResource) -> Answer:
        """Ask the authorizer whether a job may be seen."""
        handler = self._asked or self._revive(None)
        user = handler.current_user
        answer: Answer = handler.authorizer.is_authorized(handler, user, "read", resource)
        return answer

    def cookie(self, name: str) -> str | None:
        """Return one of the cookies that were shown."""
        return self._cookies.get(name)

    def check(self) -> asyncio.Task[None]:
        """Look whether it still holds, and send its pages away if it does not."""
        if self._checking is None:
            self._checking = asyncio.get_running_loop().create_task(self._check())
            self._checking.add_done_callback(self._checked)
        return self._checking

    def end(self, code: int, reason: str) -> None:
        """Send its pages away."""
        for page in tuple(self.pages):
            page.dismiss(code, reason)

    def leave(self, page: Connected) -> None:
        """Note that a page has left."""
        self.pages.discard(page)
        if not self.pages:
            self._logins.forget(self)

    def _checked(self, _: asyncio.Task[None]) -> None:
        self._checking = None

    async def _check(self) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._look()
        except Exception as error:  # noqa: BLE001 - who is asked may be away: nobody is sent away
            extra = about("login-unchecked")
            _log.warning("Cannot ask whether a login holds: %s", type(error).__name__, extra=extra)
        self.checked = self._logins.now()

    async def _look(self) -> None:
        handler = self._revive(None)
        user = await ensure_async(handler.identity_provider.get_user(handler))
        if user is None:
            self.end(CLOSE_LOGIN, "login")
            return
        _let_in(handler, user)
        asked = handler.authorizer.is_authorized(handler, user, "read", AUTH_RESOURCE)
        if handler.user_id != self.user:
            self.end(CLOSE_LOGIN, "login")
        elif not await ensure_async(asked):
            self.end(CLOSE_FORBIDDEN, "forbidden")
        elif not self._logins.is_open:
            self._asked = handler
            for page in tuple(self.pages):
                page.reconsider()

    def _revive(self, user: User | None) -> Request:
        # As the request was, but for what only the handshake was about.
        headers = HTTPHeaders(self._headers)
        connection: Any = self._whence
        line = RequestStartLine("GET", self._uri, "HTTP/1.1")
        request = HTTPServerRequest(start_line=line, headers=headers, connection=connection)
        handler = self._logins.revive(request)
        if user is not None:
            _let_in(handler, user)
        return handler


class Logins:
    """Those of all pages.

    Parameters
    ----------
    application
        The server's.
    interval
        Seconds after which each is looked at again.
    now
        Monotonic seconds.
    """

    revive: Callable[[HTTPServerRequest], Request]
    """Makes what asks for a request again; given by the composition root."""

    def __init__(
        self, application: Application, *, interval: float, now: Callable[[], float]
    ) -> None:
        self.application, self.now = application, now
        self._interval = interval
        self._logins: dict[Key, Login] = {}  # who was looked at last is the last

    @property
    def is_open(self) -> bool:
        """Whether everybody who is let in may see everything."""
        return type(self.application.settings["authorizer"]) is AllowAllAuthorizer

    @property
    def all(self) -> Collection[Login]:
        """What is there now."""
        return self._logins.values()

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._logins)

    def of(self, handler: Request) -> Login:
        """Return the login of a page that was let in just now."""
        request, provider = handler.request, handler.identity_provider
        fields = sorted(request.headers) if type(provider) not in _OWN else _KNOWN_FIELDS
        shown = [
            text
            for name in fields
            if not name.startswith("Sec-Websocket") and (value := request.headers.get(name))
            for text in (name, value)
        ]
        # A token may be in the address; what else is there is of no interest.
        uri = (request.uri if request.query else request.path) or ""
        key = (uri, *shown)
        login = self._logins.pop(key, None) or Login(self, handler, key)
        login.checked = self.now()
        self._logins[key] = login
        return login

    def forget(self, login: Login) -> None:
        """Forget what no page has shown."""
        self._logins.pop(login.key, None)

    async def run(self) -> None:
        """Look at each again, the one that was not looked at for longest first."""
        while True:
            due = [one for one in self._logins.values() if self._is_due(one)][:_AT_ONCE]
            for login in due:
                # Those that come meanwhile are younger.
                self._logins[login.key] = self._logins.pop(login.key)
            await asyncio.gather(*(login.check() for login in due))
            if len(due) < _AT_ONCE:
                await asyncio.sleep(self._interval / 10)

    def _is_due(self, login: Login) -> bool:
        return self.now() - login.checked >= self._interval

    # --- Who logs out ----------------------------------------------------------------------------

    def watch(self) -> None:
        """Hear of everybody who logs out from now on."""
        provider: Any = self.application.settings["identity_provider"]
        provider.clear_login_cookie = partial(self._clear, provider.clear_login_cookie)

    def unwatch(self) -> None:
        """Hear of it no more."""
        provider: Any = self.application.settings["identity_provider"]
        vars(provider).pop("clear_login_cookie", None)

    def _clear(self, clear: Callable[[Any], None], handler: Any) -> None:
        clear(handler)
        # What the browser forgets now would open the door to the end of its days.
        self._logged_out(handler)

    def _logged_out(self, handler: Any) -> None:
        provider = handler.identity_provider
        name = provider.get_cookie_name(handler)
        shown = handler.get_cookie(name)
        if not shown:
            return
        user = provider.get_user_cookie(handler) if type(provider) in _OWN else None
        if asyncio.iscoroutine(user):
            user.close()
            user = None
        # The same browser may have been given the same name in another cookie.
        person = user.username if user is not None and is_invented(user) else None
        for login in tuple(self._logins.values()):
            if login.username == person or login.cookie(name) == shown:
                login.end(CLOSE_LOGIN, "login")


def _let_in(handler: Request, user: User) -> None:
    handler.current_user = handler._jupyter_current_user = user  # noqa: SLF001 - as jupyter_server's `prepare`
