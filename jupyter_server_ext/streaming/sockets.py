"""What the kernel knows of a connection, and tornado does not ask."""

from __future__ import annotations

import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

_UNSENT: Final = 1024 * 1024
"""Bytes that may wait in a socket without having been sent."""
_UNSENT_NEWS: Final = 128 * 1024
"""The same where what waits grows old."""
_LIMITS: Final = Path("/proc/sys/net")
_UNKNOWN_LIMIT: Final = 64 * 1024 * 1024


def queued(descriptor: int) -> int:
    """Return how many bytes wait in a socket, or are not acknowledged yet; 0 if nobody knows."""
    try:
        import fcntl
        import termios

        # The same number as SIOCOUTQ: tcp(7).
        answer = fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4))
    except (ImportError, OSError):
        return 0
    return int.from_bytes(answer, sys.byteorder)


def drop_on_close(connection: socket.socket, *, drop: bool = True) -> None:
    """Let what still waits in a socket be dropped when it is closed, and not sent: socket(7).

    The other end then reads an error, and not the end of what was sent. With `drop` false, let it
    be as it was.
    """
    with suppress(OSError):
        linger = struct.pack("ii", int(drop), 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def prepare_for_bulk(connection: socket.socket) -> None:
    """Set a connection up for more bytes than it can hold: tcp(7).

    Unsent bytes wait in the file, not in the socket: their pages are then touched once, shortly
    before they leave. And where both ends are this machine, as with a proxy before the server,
    nothing paces what is sent: that spares a network, and costs a timer for every few packets.
    """
    with suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT)
    if _is_local(connection):
        with suppress(OSError, AttributeError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")


def prepare_for_news(connection: socket.socket) -> None:
    """Let little wait in a socket: who is behind gets the newest state, and not old ones first."""
    with suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_NEWS)


def half_close(connection: socket.socket) -> None:
    """Send the end, and go on reading."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_WR)


def _is_local(connection: socket.socket) -> bool:
    try:
        peer, own = connection.getpeername(), connection.getsockname()
    except OSError:
        return False
    # A machine reaches its own addresses by the loopback too.
    return isinstance(peer, tuple) and bool(peer[0] == own[0])


def unread_at_most() -> int:
    """Return how many bytes two sockets of this machine hold between them at most: tcp(7)."""
    try:
        send = int((_LIMITS / "ipv4/tcp_wmem").read_text().split()[2])
        receive = int((_LIMITS / "ipv4/tcp_rmem").read_text().split()[2])
        # Whoever sets SO_RCVBUF gets twice as much as is asked for (socket(7)).
        asked = 2 * int((_LIMITS / "core/rmem_max").read_text())
    except (OSError, ValueError, IndexError):
        return _UNKNOWN_LIMIT
    return send + max(receive, asked)
