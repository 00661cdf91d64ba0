"""How a store fares: what is told of it to whoever looks from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jupyter_server_ext.tally import Histogram

if TYPE_CHECKING:
    from progresswidget.protocol import Json


@dataclass(slots=True)
class StoreHealth:
    """The state of one store.

    Parameters
    ----------
    backend
        ``memory``, ``sqlite`` or ``redis``.
    journal_mode
        Of SQLite.
    failing_since
        Milliseconds since 1970, None while it works.
    error
        The class of the last failure: its text may quote a path or an address.
    errors
        Failures so far.
    writes
        Seconds that writes took, the wait for their turn included.
    """

    backend: str
    journal_mode: str | None = None
    failing_since: int | None = None
    error: str | None = None
    errors: int = 0
    writes: Histogram = field(default_factory=Histogram)

    @property
    def degraded(self) -> bool:
        """Whether what is to be kept lies in memory only."""
        return self.failing_since is not None

    def failed(self, error: BaseException, now: int) -> bool:
        """Note a failure at `now`, in milliseconds since 1970; say whether it is the first."""
        self.errors += 1
        self.error = type(error).__name__
        first = self.failing_since is None
        if first:
            self.failing_since = now
        return first

    def worked(self) -> bool:
        """Note a success, and say whether it is the first after a failure."""
        recovered, self.failing_since = self.degraded, None
        return recovered

    def to_json(self) -> Json:
        """Return what `api/health` tells."""
        return {
            "backend": self.backend,
            "journalMode": self.journal_mode,
            "degraded": self.degraded,
            "failingSince": self.failing_since,
            "lastError": self.error,
            "errors": self.errors,
        }
