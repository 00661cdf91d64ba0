"""The endpoint file: how a kernel finds its server, and proves that it is one of its kernels."""

from __future__ import annotations

import json
import os
import secrets
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from pathlib import Path

_SECRET: Final = 32
"""Random bytes of a secret."""
_ANY_V4: Final = frozenset({"", "0.0.0.0", "*"})  # noqa: S104 - recognised, not bound


def reachable_host(ip: str) -> str:
    """Return an address at which a process on this machine reaches a server.

    Parameters
    ----------
    ip
        What the server was told to listen on.
    """
    if ip in _ANY_V4:
        return "127.0.0.1"
    if ip == "::":
        return "[::1]"
    if ip == "localhost":
        return _localhost()
    return f"[{ip}]" if ":" in ip else ip


def _localhost() -> str:
    # A hosts file may give localhost one family only; 127.0.0.1 is the usual case.
    try:
        found = {entry[4][0] for entry in socket.getaddrinfo("localhost", None)}
    except OSError:
        return "127.0.0.1"
    return "[::1]" if "127.0.0.1" not in found and "::1" in found else "127.0.0.1"


def server_url(*, ip: str, port: int, sock: str, base_url: str, secure: bool) -> str:
    """Return the address of the extension's root, for kernels.

    Parameters
    ----------
    ip, port
        What the server listens on.
    sock
        Path of its UNIX socket, or an empty text.
    base_url
        With a slash at either end.
    secure
        Whether it speaks TLS.
    """
    if sock:
        return f"http+unix://{quote(sock, safe='')}{base_url}progresswidget/"
    scheme = "https" if secure else "http"
    return f"{scheme}://{reachable_host(ip)}:{port}{base_url}progresswidget/"


def write(path: Path, *, url: str, secret: str, certfile: str | None) -> None:
    """Write the file, whole or not at all, readable by its owner only.

    Parameters
    ----------
    url
        The extension's root, with a slash at the end.
    secret
        What kernels authorise themselves with.
    certfile
        The server's certificate, which a kernel should trust for this address, or None.
    """
    content = {
        "version": 1,
        "url": url,
        "secret": secret,
        "certfile": certfile,
        "pid": os.getpid(),
    }
    part = path.with_name(f"{path.name}.part")
    with suppress(FileNotFoundError):
        part.unlink()
    # O_EXCL: never write the secret into a file that someone else has put there.
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file)
    part.replace(path)


def lasting_secret(path: Path) -> str:
    """Return the secret that a file keeps, made where there is none; its owner alone can read it.

    Parameters
    ----------
    path
        In a folder that nobody else may enter.
    """
    try:
        found = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        found = ""
    if len(found) >= _SECRET:
        return found
    made = secrets.token_urlsafe(_SECRET)
    with suppress(FileNotFoundError):
        path.unlink()
    # O_EXCL: never write the secret into a file that someone else has put there.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(made)
    return made


def remove(path: Path) -> None:
    """Remove the file, if it is there."""
    with suppress(FileNotFoundError):
        path.unlink()
