"""What answers and failures mean: for the next try, and for a person."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final

import httpx

from progresswidget.errors import TransferError, TransferRefusedError
from progresswidget.transfer.address import shown
from progresswidget.transfer.retry import TRANSIENT
from progresswidget.transfer.wire import body_of

KERNEL: Final = "Kernel "
"""The scheme by which a kernel says who it is, with the blank behind it."""
MAX_ERROR_BODY: Final = 64 * 2**10
_LATER: Final = "It may work later: run it again, and it goes on where it stopped."
_HINTS: Final[dict[int, str]] = {
    HTTPStatus.UNAUTHORIZED: "Say who you are: headers={'Authorization': 'Bearer …'}.",
    HTTPStatus.FORBIDDEN: "You may not do this with what was sent along; ask the server's owner.",
    HTTPStatus.NOT_FOUND: "Look whether the address is right.",
    HTTPStatus.METHOD_NOT_ALLOWED: "This address takes no such request; look for another one.",
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: "Put user and password into HTTPS_PROXY.",
    HTTPStatus.CONFLICT: "Somebody else has changed it meanwhile; look, and try again.",
    HTTPStatus.GONE: "It is not there any more: ask for a new address.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The server takes no file of this size.",
    HTTPStatus.INSUFFICIENT_STORAGE: "The server's disk is full: free some space there, and "
    "run it again; it goes on where it stopped.",
}
_CLOSED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_HOW_TO_OPEN: Final = (
    "A kernel opens no files of its server, and does not know your token here. Read the file by "
    "its path if it is on this machine, or send headers={'Authorization': 'token …'} along."
)


def is_transient(response: httpx.Response) -> bool:
    """Say whether an answer may be different the next time."""
    return _is_stale(response) or response.status_code in TRANSIENT


def _is_stale(response: httpx.Response) -> bool:
    """Say whether a kernel has shown the secret of a server before this one.

    One that starts again answers a moment before it has written down its new secret, which is read
    anew for each request. To take that for "there is no such upload" would leave the upload behind.
    """
    asks = response.headers.get("WWW-Authenticate", "").strip() == KERNEL.strip()
    return response.status_code in _CLOSED and asks and _is_of_kernel(response)


def _is_of_kernel(response: httpx.Response) -> bool:
    sent: str = response.request.headers.get("Authorization", "")
    return sent.startswith(KERNEL)


def refusal(response: httpx.Response, url: str) -> TransferRefusedError:
    """Return the error for an answer that refuses; reads and closes the response."""
    status = response.status_code
    message, hint = _own_words(response)
    if not message:
        reason = response.reason_phrase
        message = f"the server answers {status} {reason}".rstrip()
    if status in _CLOSED and response.request.method == "GET" and _is_of_kernel(response):
        hint = _HOW_TO_OPEN
    if not hint:
        hint = _LATER if status in TRANSIENT else _HINTS.get(status, "")
    return TransferRefusedError(f"{shown(url)}: {message}", hint, status=status)


def unreachable(error: httpx.TransportError, url: str) -> TransferError:
    """Return the error for a server that does not answer, or not to the end."""
    reason = str(error) or type(error).__name__
    if is_final(error):
        return TransferError(
            f"{shown(url)}: the server's certificate is not trusted: {reason}.",
            "If it is your own, name its authority in the variable SSL_CERT_FILE.",
        )
    return TransferError(
        f"{shown(url)} cannot be reached: {reason}.",
        "Look whether the network is there, and run it again: it goes on where it stopped.",
    )


def is_final(error: httpx.TransportError) -> bool:
    """Say whether a failure would be the same the next time."""
    import ssl

    causes = (error.__cause__, error.__context__)
    return any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes)


def _own_words(response: httpx.Response) -> tuple[str, str]:
    """Return message and hint of an answer of our own server, or empty texts."""
    body, buffer = body_of(response), memoryview(bytearray(MAX_ERROR_BODY))
    text = b""
    try:
        if response.headers.get("Content-Type", "").startswith("application/json"):
            while len(text) < MAX_ERROR_BODY and (size := body.readinto(buffer)):
                text += bytes(buffer[:size])
        found = json.loads(text) if text else None
    except (httpx.TransportError, ValueError, RecursionError):
        found = None
    finally:
        response.close()
    if not isinstance(found, dict):
        return "", ""
    words = [found.get("message"), found.get("hint")]
    message, hint = (word[:1_000] if isinstance(word, str) else "" for word in words)
    return message, hint
