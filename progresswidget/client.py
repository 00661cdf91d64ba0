"""Requests of the kernel to its notebook server: where that is, and a connection to it.

`http.client` and not httpx: it is loaded in a few milliseconds and needs half the time for a
request, and this runs inside the user's kernel.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from progresswidget import protocol, replies

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from email.message import Message

REQUEST_TIMEOUT: Final = 3.0
"""Seconds until a server that does not answer counts as away for now."""


class ServerUnreachableError(ConnectionError):
    """There is no server extension that takes reports from this process (for now)."""


class ReportRefusedError(Exception):
    """The server answered that it will never take this report."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where and with which secret this process reports.

    Parameters
    ----------
    url
        Address of the extension, ending in ``progresswidget/``.
    secret
        Authorises reports and nothing else.
    certfile
        The server's own certificate where it serves TLS; it is trusted for this host alone.
    pid
        The server's process.
    scheme
        Whose secret it is: with that of a kernel every job can be reported, with a job's own that
        one alone.
    """

    url: str
    secret: str
    certfile: str | None = None
    pid: int | None = None
    scheme: str = protocol.AUTHORIZATION_SCHEME

    def __repr__(self) -> str:
        """Return where it is; what is secret is not for logs."""
        return f"Endpoint({self.url!r})"

    @property
    def authorization(self) -> str:
        """The value of the header field of this name."""
        return f"{self.scheme} {self.secret}"

    @property
    def alive(self) -> bool:
        """Whether the server that wrote the file may still run: a killed one leaves its file."""
        if self.pid is None:
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True

    @classmethod
    def find(cls) -> Endpoint | None:
        """Read the endpoint file that the server extension left for its kernels, if there is one.

        The file is read anew on each call: a server that restarted has another port and secret.
        """
        path = os.environ.get(protocol.ENDPOINT_VARIABLE)
        if not path:
            return cls._behind_gateway()
        try:
            found = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(found["url"], found["secret"], found.get("certfile"), found.get("pid"))
        except (OSError, ValueError, KeyError, TypeError):
            return cls._behind_gateway()

    @classmethod
    def _behind_gateway(cls) -> Endpoint | None:
        url = os.environ.get(protocol.KERNEL_URL_VARIABLE)
        secret = os.environ.get(protocol.KERNEL_SECRET_VARIABLE)
        return cls(url, secret) if url and secret else None


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered.

    Parameters
    ----------
    status
        Of HTTP.
    headers
        Looked up by name in any case of letters.
    body
        All of it.
    """

    status: int
    headers: Message
    body: bytes

    @property
    def code(self) -> str:
        """The code of an error of ours, or an empty text."""
        return str(self._error.get("code", ""))

    @property
    def reason(self) -> str:
        """Why something was refused, in words."""
        return str(self._error.get("message") or f"the answer was {self.status}")

    @property
    def _error(self) -> protocol.Json:
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class Connection:
    """A kept-alive HTTP connection to the extension; not to be shared between threads."""

    def __init__(self, endpoint: Endpoint, timeout: float = REQUEST_TIMEOUT) -> None:
        parts = urlsplit(endpoint.url)
        self._endpoint = endpoint
        self._path = parts.path
        self._is_plain = True
        self._fields = (
            f"Host: {parts.netloc.rpartition('@')[2]}\r\n"
            f"Authorization: {endpoint.authorization}\r\n"
            "Content-Type: application/json\r\n"
        )
        host = parts.hostname or "127.0.0.1"
        if parts.scheme == "https":
            context = ssl.create_default_context(cafile=endpoint.certfile)
            # The certificate names the server's public host, and this is its loopback address;
            # what is trusted is the very certificate that the endpoint file points to.
            context.check_hostname = endpoint.certfile is None
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                host, parts.port, timeout=timeout, context=context
            )
        else:
            self._http = http.client.HTTPConnection(host, parts.port, timeout=timeout)

    def report(self, report: protocol.Json) -> protocol.Json:
        """Send the state of one job and return the server's reply.

        Raises
        ------
        ServerUnreachableError
            If there is no answer, or one that may be different the next time.
        ReportRefusedError
            If the server refused this report for good.
        """
        status, answer = self._put(f"api/jobs/{report['taskId']}", protocol.encode(report).encode())
        if status == http.HTTPStatus.OK:
            return _decode_reply(answer)
        self.close()
        message = f"{status} {http.client.responses.get(status, '')}"
        # 400 and 413 speak of the report itself; any other answer may come from a server that
        # restarted (another secret), is overloaded, or does not have the extension (yet).
        if status in {http.HTTPStatus.BAD_REQUEST, 413}:
            raise ReportRefusedError(f"{message}: {answer.decode(errors='replace')[:500]}")
        raise ServerUnreachableError(message)

    def _put(self, address: str, body: bytes) -> tuple[int, bytes]:
        """Send a JSON body by hand, and return the status and the body of the answer."""
        if self._is_plain:
            try:
                found = self._exchange(f"PUT {self._path}{address}", body)
            except OSError as error:
                self.close()
                raise ServerUnreachableError(str(error)) from error
            if found is not None:
                return found
            # A proxy is between, which does more to an answer; the same again costs nothing.
            self.close()
            self._is_plain = False
        fields = {"Content-Type": "application/json"}
        answer = self.request("PUT", address, fields, body)
        return answer.status, answer.body

    def _exchange(self, line: str, body: bytes) -> tuple[int, bytes] | None:
        # Head and body in one packet: the server then reads once.
        head = f"{line} HTTP/1.1\r\n{self._fields}Content-Length: {len(body)}\r\n\r\n"
        if self._http.sock is None:
            self._http.connect()
        sock: socket.socket = self._http.sock
        sock.sendall(head.encode("latin-1") + body)
        data = b""
        while replies.END not in data:
            data += _receive(sock)
            if len(data) > replies.MAX_HEAD:
                return None
        start, _, answer = data.partition(replies.END)
        reply = replies.read_head(start + replies.END)
        if reply is None:
            return None
        while len(answer) < reply.length:
            answer += _receive(sock)
        if reply.closes:
            self.close()
        return reply.status, answer

    def request(
        self, method: str, address: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Send a request as a kernel and return whatever is answered.

        Parameters
        ----------
        address
            Below the extension's root.

        Raises
        ------
        ServerUnreachableError
            If there is no answer.
        """
        own = {"Authorization": self._endpoint.authorization}
        try:
            self._http.request(method, f"{self._path}{address}", body, {**headers, **own})
            response = self._http.getresponse()
            return Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ServerUnreachableError(str(error)) from error

    def ask(
        self, method: str, path: str, body: protocol.Json | None = None
    ) -> tuple[int, protocol.Json]:
        """Send one request that is no report, and return the status and the body of the answer.

        Parameters
        ----------
        path
            Below the extension's root.

        Raises
        ------
        ServerUnreachableError
            If there is no answer, or none of the extension's.
        """
        data = None if body is None else protocol.encode(body).encode()
        try:
            own = {"Authorization": self._endpoint.authorization}
            self._http.request(method, f"{self._path}{path}", data, own)
            response = self._http.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise ServerUnreachableError(str(error)) from error
        return response.status, _decode_reply(answer) if answer else {}

    def close(self) -> None:
        """Drop the connection; the next report opens a new one."""
        self._http.close()


def _receive(sock: socket.socket) -> bytes:
    data = sock.recv(1 << 16)
    if not data:
        raise ConnectionResetError("the server closed the connection")
    return data


def _decode_reply(answer: bytes) -> protocol.Json:
    try:
        reply = json.loads(answer)
    except ValueError:
        reply = None
    if not isinstance(reply, dict):
        raise ServerUnreachableError("something else than the extension answers")
    return reply


def ask(
    method: str, path: str, body: protocol.Json | None = None
) -> tuple[int, protocol.Json, str]:
    """Send one request to the server of this kernel.

    Returns
    -------
    The status, the body, and the origin under which this process reaches the server.

    Raises
    ------
    ServerUnreachableError
        If there is none.
    """
    endpoint = Endpoint.find()
    if endpoint is None:
        raise ServerUnreachableError("no notebook server with the extension runs this process")
    connection = Connection(endpoint)
    try:
        status, answer = connection.ask(method, path, body)
    finally:
        connection.close()
    parts = urlsplit(endpoint.url)
    return status, answer, f"{parts.scheme}://{parts.netloc}"
