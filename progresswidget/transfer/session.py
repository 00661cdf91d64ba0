"""Requests: to whom they go, and what may be sent along."""

from __future__ import annotations

import json
import re
import socket
import threading
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urljoin, urlsplit

import httpx

from progresswidget.errors import OptionError, TransferError, TransferRefusedError
from progresswidget.transfer.address import is_below, origin, resolve, shown
from progresswidget.transfer.answers import KERNEL
from progresswidget.transfer.retry import LOOK
from progresswidget.transfer.wire import Transport, needs_proxy

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

T = TypeVar("T")

MAX_REDIRECTS: Final = 10
CONNECT_TIMEOUT: Final = 10.0
LINK_SECONDS: Final = 600
"""For which a link to an exported file opens it; the next request after that asks for another."""
_FILES: Final = ("contents/", "archives/")
_EXPORTED: Final = re.compile(r"files/([0-9a-f]{32})/[0-9]+/[^/?]+(\?[^?]*)?")
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Server:
    """The notebook server of this process.

    Parameters
    ----------
    url
        The extension's root, with a slash at the end.
    secret
        Authorises this process there, and is shown to nobody else.
    certfile
        The server's own certificate, or None.
    token
        The user's, where this process may know it; it opens what the user may open.
    """

    url: str
    secret: str = field(repr=False)
    certfile: str | None = None
    token: str | None = field(default=None, repr=False)

    def authorization(self, address: str) -> str:
        """Return what a request says of who sends it: the user where files are opened."""
        # The secret of kernels opens no files, so that it is worth little to whoever finds it.
        if self.token and address[len(self.url) :].startswith(_FILES):
            return f"token {self.token}"
        return f"{KERNEL}{self.secret}"


def no_server() -> Server | None:
    """Return None: there is no notebook server."""
    return None


class Session:
    """Requests of one transfer; may be used from several threads.

    Parameters
    ----------
    find_server
        Looks for the notebook server. It is asked anew each time, for a server that restarted has
        another port and another secret.
    headers
        What the user sends along; it goes to the origin of the address and nowhere else.
    timeout
        Seconds without a byte after which a connection counts as dead.
    """

    def __init__(
        self,
        *,
        find_server: Callable[[], Server | None] = no_server,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
    ) -> None:
        self._find_server = find_server
        self._headers = dict(headers or {})
        self._timeout = httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT))
        self._lock = threading.Lock()
        self._clients: dict[str, httpx.Client] = {}
        self._transports: list[Transport] = []
        self._proxied: list[httpx.Response] = []
        self._moved: dict[str, str] = {}
        self._aborted = False

    def resolve(self, url: str) -> str:
        """Return the whole address of what a user wrote, as things are now."""
        server = self._find_server()
        return resolve(url, None if server is None else server.url)

    def relative(self, location: str) -> str:
        """Return an address without the origin of the notebook server, if it lies there."""
        server = self._find_server()
        if server is not None and is_below(location, server.url):
            return location[len(server.url) :]
        return location

    def get(self, url: str, headers: Mapping[str, str]) -> httpx.Response:
        """Ask for a file, following redirects; the body of the response is to be read and closed.

        Raises
        ------
        httpx.TransportError
            If there is no answer.
        TransferError
            If the address leads nowhere.
        """
        first = self.resolve(url)
        moved = self._moved.get(first)
        if moved is not None:
            response = self._request("GET", moved, headers, first)
            if response.status_code in {200, 206, 304, 416}:
                return response
            response.close()  # where it was moved to may be valid for a while only: ask again
            del self._moved[first]
        return self._follow(first, headers)

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: Any = None,
    ) -> httpx.Response:
        """Send a request that is not redirected, as `get` otherwise."""
        address = self.resolve(url)
        return self._request(method, address, headers, address, content)

    def abort(self) -> None:
        """End all that is under way, from another thread."""
        with self._lock:
            self._aborted = True
            transports, proxied = list(self._transports), list(self._proxied)
        for transport in transports:
            transport.abort()
        for response in proxied:
            _shut(response)

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            client.close()

    def _follow(self, first: str, headers: Mapping[str, str]) -> httpx.Response:
        address = self._linked(first)
        for _ in range(MAX_REDIRECTS + 1):
            response = self._request("GET", address, headers, first)
            location = response.headers.get("Location")
            if response.status_code not in _REDIRECTS or location is None:
                if address != first:
                    self._moved[first] = address
                return response
            response.close()
            address = self._joined(address, location)
        raise TransferError(
            f"{shown(first)} redirects more than {MAX_REDIRECTS} times.", "Use another address."
        )

    def _linked(self, address: str) -> str:
        """Return a link to the file that a job of the notebook server has exported.

        It is made by the secret of this process, which opens no file itself. Any other address is
        returned as it is, and so is this one if there can be no link.
        """
        server = self._find_server()
        if server is None or _signs_in(self._headers) or not is_below(address, server.url):
            return address
        exported = _EXPORTED.fullmatch(address[len(server.url) :])
        if exported is None:
            return address
        links = f"{server.url}api/jobs/{exported[1]}/links"
        body = json.dumps({"expires": LINK_SECONDS}).encode()
        response = self._request("POST", links, {}, links, body)
        try:
            made = response.status_code == HTTPStatus.CREATED
            if not made:
                return address
            link = str(json.loads(response.read())["url"])
            return urljoin(server.url, link) + (exported[2] or "")
        finally:
            response.close()

    def _joined(self, address: str, location: str) -> str:
        target = _join(address, location)
        server = self._find_server()
        own = server is not None and origin(address) == origin(server.url)
        if own and urlsplit(target).path.endswith("/login"):
            # What would be saved is the page that asks for a password.
            raise TransferRefusedError(
                f"{shown(address)}: the notebook server asks to sign in.",
                "Write 'contents/' and the path of the file below the server's root.",
            )
        return target

    def _request(
        self,
        method: str,
        address: str,
        headers: Mapping[str, str],
        first: str,
        content: Any = None,
    ) -> httpx.Response:
        server = self._find_server()
        own = server is not None and is_below(address, server.url)
        client = self._client(address, server if own else None)
        fields = {"Accept": "*/*", "Accept-Encoding": "identity", **headers}
        if origin(address) == origin(first):
            fields |= self._headers
        if server is not None and own and not _signs_in(fields):
            fields["Authorization"] = server.authorization(address)
        try:
            request = client.build_request(
                method, address, headers=fields, content=content, timeout=self._timeout
            )
        except (httpx.InvalidURL, ValueError, TypeError) as error:
            raise OptionError(f"{shown(address)} cannot be asked: {error}") from None
        response = client.send(request, stream=True)
        if "network_stream" in response.extensions:
            self._note_proxied(response)
        return response

    def _note_proxied(self, response: httpx.Response) -> None:
        with self._lock:
            self._proxied = [each for each in self._proxied if not each.is_closed]
            self._proxied.append(response)
            aborted = self._aborted
        if aborted:
            _shut(response)

    def _client(self, address: str, server: Server | None) -> httpx.Client:
        certfile = None if server is None else server.certfile
        proxied = server is None and needs_proxy(address)
        key = "proxy" if proxied else f"direct {certfile}"
        with self._lock:
            if key not in self._clients:
                self._clients[key] = httpx.Client() if proxied else self._direct(certfile)
            return self._clients[key]

    def _direct(self, certfile: str | None) -> httpx.Client:
        transport = Transport(partial(_context, certfile))
        self._transports.append(transport)
        if self._aborted:
            transport.abort()
        return httpx.Client(transport=transport)


def attended(work: Callable[[], T], session: Session, look: Callable[[], None]) -> T:
    """Run `work` in a thread, so that it can be ended also while it waits for the network.

    Parameters
    ----------
    session
        What it waits for; aborted when `look` raises.
    look
        Called often meanwhile.
    """
    outcome: list[T] = []
    failure: list[BaseException] = []
    over = threading.Event()

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits
            failure.append(error)
        over.set()

    thread = threading.Thread(target=run, name="progresswidget-connection", daemon=True)
    thread.start()
    try:
        while not over.wait(LOOK / 2):
            look()
    except BaseException:
        session.abort()
        thread.join()
        for late in outcome:
            if isinstance(late, httpx.Response):
                late.close()
        raise
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def _join(address: str, location: str) -> str:
    target = urljoin(address, location)
    try:
        return resolve(target, None)
    except OptionError as error:
        raise TransferError(
            f"{shown(address)} redirects to something that is no web address.", error.hint
        ) from None


def _context(certfile: str | None) -> ssl.SSLContext:
    if certfile is None:
        return httpx.create_ssl_context()
    import ssl

    context = ssl.create_default_context(cafile=certfile)
    # The certificate names the server's public host, and this is its loopback address; what is
    # trusted is the very certificate that the server told its kernels of.
    context.check_hostname = False
    return context


def _shut(response: httpx.Response) -> None:
    sock = response.extensions["network_stream"].get_extra_info("socket")
    if sock is not None:
        import contextlib

        with contextlib.suppress(OSError):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _signs_in(fields: Mapping[str, str]) -> bool:
    return any(name.lower() == "authorization" for name in fields)
