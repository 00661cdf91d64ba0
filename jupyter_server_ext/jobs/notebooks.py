"""Which notebook a kernel belongs to: the session manager knows, and it survives renames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from jupyter_server_ext.logs import about

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

_FRESH: Final = 2.0
"""Seconds for which a look at the sessions is good."""


class Sessions(Protocol):
    """What is used of jupyter_server's session manager."""

    async def list_sessions(self) -> list[dict[str, Any]]:
        """Return the model of every session."""


class Notebooks:
    """Maps kernels to notebooks.

    Parameters
    ----------
    sessions
        The server's session manager.
    time
        Monotonic seconds.
    log
        Where a session manager that fails is told.
    """

    def __init__(self, sessions: Sessions, *, time: Callable[[], float], log: Logger) -> None:
        self._sessions = sessions
        self._time = time
        self._log = log
        self._paths: dict[str, str] = {}
        self._looked: float | None = None

    async def of(self, kernel_id: str | None) -> str | None:
        """Return the path of a kernel's notebook below the server's root, or None."""
        if kernel_id is None:
            return None
        stale = self._looked is None or self._time() - self._looked >= _FRESH
        if stale:
            await self.refresh()
        return self._paths.get(kernel_id)

    async def refresh(self) -> dict[str, str]:
        """Look at the sessions now, and return kernel id -> path."""
        self._looked = self._time()
        try:
            sessions = await self._sessions.list_sessions()
        except Exception as error:  # noqa: BLE001 - a session manager of another make
            extra = about("sessions-unknown")
            self._log.warning("Cannot list the sessions: %r", error, extra=extra)
            return self._paths
        self._paths = {
            session["kernel"]["id"]: session["path"]
            for session in sessions
            if session.get("type") == "notebook" and session.get("kernel")
        }
        return self._paths
