"""How much users may upload: what is refused because there is too much already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from jupyter_server_ext.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jupyter_server_ext.model.upload import Creation
    from jupyter_server_ext.uploads.live import Live


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What users may upload.

    Parameters
    ----------
    size
        Bytes of one upload.
    quota
        Bytes of all unfinished uploads of one user.
    count
        Unfinished uploads of one user.
    expiry
        Seconds without a request after which an upload is removed.
    """

    size: int
    quota: int
    count: int
    expiry: float


class Unfinished(NamedTuple):
    """Uploads that wait for more: how many, and their bytes."""

    uploads: int
    bytes: int


class UploadQuota:
    """Says what there is room for.

    Parameters
    ----------
    limits
        What is refused.
    live
        All uploads by their ids, as they are at each moment.
    """

    def __init__(self, limits: UploadLimits, live: Mapping[str, Live]) -> None:
        self._limits = limits
        self._live = live

    def room(self, owner: str, own: Live | None = None) -> int:
        """Return the bytes that one more upload of a user, or `own`, may have in all."""
        others = sum(
            live.size
            for live in self._live.values()
            if live is not own and live.upload.owner == owner and not live.done
        )
        return max(0, min(self._limits.size, self._limits.quota - others))

    def unfinished(self) -> Unfinished:
        """Return how many uploads wait for more, and the bytes that they have on the disk."""
        sizes = [live.offset for live in tuple(self._live.values()) if not live.done]
        return Unfinished(len(sizes), sum(sizes))

    def require(self, owner: str, creation: Creation) -> None:
        """Refuse an upload for which there is no room.

        Raises
        ------
        ApiError
            ``too-many-uploads`` or ``quota-exceeded``.
        """
        mine = [one for one in self._live.values() if one.upload.owner == owner and not one.done]
        if len(mine) >= self._limits.count:
            message = f"At most {self._limits.count} uploads may be unfinished."
            raise ApiError("too-many-uploads", message, retry_after=60)
        if (creation.length or 0) > self.room(owner):
            raise ApiError("quota-exceeded", "All unfinished uploads together would be too large.")
