"""Bytes over HTTP/1.1: httpx speaks to the rest of the package, `http.client` to the socket.

httpx hands a body on in pieces of 64 KiB, each of which passes through h11, httpcore and httpx: on
the loopback one stream of it reaches four fifths of what curl does, and the interpreter's lock is
held so long that more streams gain nothing. `http.client.HTTPResponse.readinto` receives into a
buffer that is there already, without the lock: nearly twice as fast as curl. So this is a transport
of httpx, whose client keeps redirects, cookies, credentials and address rules; its own transport
is used where a proxy stands in between.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.request import getproxies, proxy_bypass

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import BufferedReader

BODY: Final = "progresswidget_body"
"""The extension of a response under which its `Body` is found."""
SMALL: Final = 64 * 2**10
LARGEST: Final = 2**20
"""Bounds of the bytes that are read at once."""
BRISK: Final = 0.05
SLUGGISH: Final = 0.25
"""Seconds of one reading below which the next may be larger, and above which it should not."""


class Readable(Protocol):
    """The body of a response, read into a buffer."""

    def readinto(self, view: memoryview) -> int:
        """Fill a buffer, or as much of it as there is; 0 at the end.

        Raises
        ------
        httpx.TransportError
            If the body is not complete.
        """


class Stride:
    """How much to read at once: a lot where it comes fast, little where someone waits for it."""

    def __init__(self) -> None:
        self.size = SMALL

    def took(self, seconds: float) -> None:
        """Adapt to how long the last reading took."""
        if seconds < BRISK:
            self.size = min(2 * self.size, LARGEST)
        elif seconds > SLUGGISH:
            self.size = max(self.size // 4, SMALL // 16)


class Body(httpx.SyncByteStream):
    """The body of a response that came through our transport.

    Parameters
    ----------
    response
        The response, of which the heading was read.
    connection
        Its connection.
    transport
        Takes the connection back when the body was read to its end.
    """

    def __init__(
        self,
        response: http.client.HTTPResponse,
        connection: _Connection,
        transport: Transport,
    ) -> None:
        self._response, self._connection, self._transport = response, connection, transport
        # Of a HEAD, a 204 and a 304 none comes, whatever the heading says (RFC 9112 section 6.3).
        self._left = response.length if not response.chunked else None
        self._closed = False

    def readinto(self, view: memoryview) -> int:
        """Fill a buffer, as `Readable` has it."""
        with _translated(httpx.ReadTimeout, httpx.ReadError):
            size = self._response.readinto(view)
        if self._left is not None:
            self._left -= size
            if not size and self._left:
                raise httpx.RemoteProtocolError("The connection was cut.")
        return size

    def __iter__(self) -> Iterator[bytes]:
        buffer = memoryview(bytearray(SMALL))
        while size := self.readinto(buffer):
            yield bytes(buffer[:size])

    def close(self) -> None:
        """Keep the connection if the body is over, and close it otherwise."""
        if self._closed:
            return
        self._closed = True
        reusable = self._response.isclosed() and not self._response.will_close
        self._response.close()
        self._transport.take_back(self._connection, reusable=reusable)


class _Response(http.client.HTTPResponse):
    """A response whose heading is whole.

    `http.client` takes the end of a connection for the end of the heading. Without the fields that
    did not come, a cut file would be a short one (RFC 9112 section 8: it is incomplete).
    """

    def begin(self) -> None:
        """Read the heading."""
        lines = _Lines(self.fp)
        self.fp = cast("BufferedReader", lines)
        try:
            super().begin()
        finally:
            if cast("object", self.fp) is lines:
                self.fp = lines.file
        if lines.last not in {b"\r\n", b"\n"}:
            raise http.client.HTTPException("it was cut in the heading")


class _Lines:
    """A file that remembers the last line which was read of it."""

    def __init__(self, file: BufferedReader) -> None:
        self.file, self.last = file, b""

    def readline(self, limit: int = -1) -> bytes:
        self.last = self.file.readline(limit)
        return self.last

    def close(self) -> None:
        self.file.close()


class _Connection:
    """A connection to an origin, and its socket, which another thread may shut down."""

    def __init__(self, key: tuple[str, str, int], http_: http.client.HTTPConnection) -> None:
        self.key, self.http = key, http_
        self.used = False
        self.socket: socket.socket | None = None

    def shut(self) -> None:
        if self.socket is not None:
            with contextlib.suppress(OSError):
                # Not `SSLSocket.shutdown`, which takes away what another thread is reading from.
                socket.socket.shutdown(self.socket, socket.SHUT_RDWR)


class Transport(httpx.BaseTransport):
    """A transport of httpx on top of `http.client`, with connections that are kept alive.

    It may be used from several threads; `abort` ends what they wait for.

    Parameters
    ----------
    context
        Makes what TLS needs, when it does: to read the certificates that are trusted takes longer
        than to fetch a small file.
    """

    def __init__(self, context: Callable[[], ssl.SSLContext]) -> None:
        self._make_context = context
        self._context: ssl.SSLContext | None = None
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str, int], list[_Connection]] = {}
        self._busy: set[_Connection] = set()
        self._aborted = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and read the heading of its response."""
        # A server closes an idle connection when it likes; what was not answered then was not
        # heard, and may be sent again if its body can (RFC 9110 section 9.2.2, RFC 9112 9.3.1).
        repeatable = isinstance(request.stream, httpx.ByteStream)
        while True:
            connection = self._connect(request)
            again = connection.used and repeatable
            connection.used = True
            try:
                response = self._exchange(connection, request)
            except BaseException as error:
                self.take_back(connection, reusable=False)
                if again and isinstance(error, (httpx.ReadError, httpx.RemoteProtocolError)):
                    continue
                raise
            break
        body = Body(response, connection, self)
        fields = [(name.encode(), value.encode("latin-1")) for name, value in response.getheaders()]
        return httpx.Response(response.status, headers=fields, stream=body, extensions={BODY: body})

    def take_back(self, connection: _Connection, *, reusable: bool) -> None:
        """Keep a connection for the next request, or close it."""
        with self._lock:
            self._busy.discard(connection)
            if reusable and not self._aborted and connection.http.sock is not None:
                self._idle.setdefault(connection.key, []).append(connection)
                return
        connection.http.close()

    def abort(self) -> None:
        """End all that is under way, and take up nothing more."""
        with self._lock:
            self._aborted = True
            for connection in self._busy:
                connection.shut()

    def close(self) -> None:
        """Close the connections that nobody uses."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for connections in idle.values():
            for connection in connections:
                connection.http.close()

    def _connect(self, request: httpx.Request) -> _Connection:
        url, timeouts = request.url, request.extensions.get("timeout", {})
        port = url.port or (443 if url.scheme == "https" else 80)
        key = (url.scheme, url.host, port)
        with self._lock:
            idle = self._idle.get(key)
            connection = idle.pop() if idle else None
        if connection is None:
            connection = self._open(key, timeouts.get("connect"))
        sock = connection.http.sock
        sock.settimeout(timeouts.get("read"))
        with self._lock:
            connection.socket = sock
            self._busy.add(connection)
            if self._aborted:
                connection.shut()
        return connection

    def _open(self, key: tuple[str, str, int], timeout: float | None) -> _Connection:
        scheme, host, port = key
        connection: http.client.HTTPConnection
        if scheme == "https":
            self._context = context = self._context or self._make_context()
            connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=timeout)
        connection.response_class = _Response
        try:
            with _translated(httpx.ConnectTimeout, httpx.ConnectError):
                connection.connect()
        except BaseException:
            connection.close()
            raise
        return _Connection(key, connection)

    def _exchange(
        self, connection: _Connection, request: httpx.Request
    ) -> http.client.HTTPResponse:
        wire = connection.http
        with _translated(httpx.ReadTimeout, httpx.ReadError):
            target = request.url.raw_path.decode("ascii")
            wire.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in request.headers.raw:
                wire.putheader(cast("str", name), value)
            try:
                wire.endheaders()
                for chunk in cast("httpx.SyncByteStream", request.stream):
                    wire.send(chunk)
            except (BrokenPipeError, ConnectionResetError):
                # RFC 9112 section 9.5: it may have answered before it had read everything.
                with contextlib.suppress(OSError, http.client.HTTPException):
                    return wire.getresponse()
                raise
            return wire.getresponse()


class _Slices:
    """The body of a response that came through a transport of httpx."""

    def __init__(self, response: httpx.Response) -> None:
        self._pieces = response.iter_raw()
        self._rest = memoryview(b"")

    def readinto(self, view: memoryview) -> int:
        if not self._rest:
            self._rest = memoryview(next(self._pieces, b""))
        size = min(len(view), len(self._rest))
        view[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def body_of(response: httpx.Response) -> Readable:
    """Return the body of a response, whichever transport it came through."""
    body: Readable | None = response.extensions.get(BODY)
    return _Slices(response) if body is None else body


def needs_proxy(url: str) -> bool:
    """Say whether the environment names a proxy for an address."""
    parts, proxies = httpx.URL(url), getproxies()
    named = parts.scheme in proxies or "all" in proxies
    return named and not proxy_bypass(parts.host)


@contextlib.contextmanager
def _translated(
    timeout: type[httpx.TransportError], failure: type[httpx.TransportError]
) -> Iterator[None]:
    """Raise as httpx's own transports do."""
    try:
        yield
    except TimeoutError as error:
        raise timeout(str(error) or "timed out") from error
    except OSError as error:
        raise failure(_reason(error)) from error
    except http.client.HTTPException as error:
        reason = str(error) or type(error).__name__
        raise httpx.RemoteProtocolError(f"The answer is broken: {reason}") from error
    except (ValueError, AttributeError) as error:
        # What `http.client` makes of a connection that another thread has shut down.
        raise failure(f"The connection is closed: {error}") from error


def _reason(error: OSError) -> Any:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return error.strerror or str(error) or type(error).__name__


def timed(stride: Stride, body: Readable, view: memoryview) -> int:
    """Read once, and let the stride learn from it."""
    start = time.monotonic()
    size = body.readinto(view[: stride.size])
    stride.took(time.monotonic() - start)
    return size
