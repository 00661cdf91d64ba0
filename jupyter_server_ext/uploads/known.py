"""The uploads that are known, and for a while those that were."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError

if TYPE_CHECKING:
    from jupyter_server_ext.uploads.live import Live

_REMEMBERED: Final = 1_000
"""Finished uploads that are remembered for a client whose last answer was lost."""
_GONE: Final = 10_000
"""Uploads that were removed, for which the answer is 410 and not 404."""


class Known:
    """All uploads of a server.

    Attributes
    ----------
    live
        Those that are there, by their ids.
    """

    def __init__(self) -> None:
        self.live: dict[str, Live] = {}
        self._gone: OrderedDict[str, str] = OrderedDict()

    def add(self, live: Live) -> None:
        """Know one more."""
        self.live[live.upload.id] = live

    def drop(self, live: Live) -> None:
        """Know of one only that it was there."""
        live.gone = True
        self.live.pop(live.upload.id, None)
        self._gone[live.upload.id] = live.upload.owner
        if len(self._gone) > _GONE:
            self._gone.popitem(last=False)

    def find(self, upload_id: str, owner: str) -> Live:
        """Return an upload of its owner.

        Raises
        ------
        ApiError
            ``upload-not-found``, also for those of others, or ``upload-gone``.
        """
        live = self.live.get(upload_id)
        if live is not None and live.upload.owner == owner:
            return live
        if self._gone.get(upload_id) == owner:
            raise ApiError("upload-gone", "The upload has expired or was removed.")
        raise ApiError("upload-not-found", "There is no such upload.")

    def keyed(self, owner: str, key: str) -> Live | None:
        """Return the upload of a user that was made with a key, if there is one."""
        for live in self.live.values():
            if live.upload.idempotency_key == key and live.upload.owner == owner:
                return live
        return None

    def over(self, now: float) -> list[Live]:
        """Return those whose time is over, or which have ended and are too many, each once.

        Parameters
        ----------
        now
            Monotonic seconds.
        """
        done = [live for live in self.live.values() if live.done]
        surplus = sorted(done, key=lambda live: live.deadline)[: max(0, len(done) - _REMEMBERED)]
        late = [live for live in self.live.values() if live.deadline <= now]
        return list({id(live): live for live in (*surplus, *late)}.values())
