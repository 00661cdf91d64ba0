"""Signed links: one file, one user, a short time, for whoever holds the link.

A link is a nonce and a signature, and nothing can be read from it. What it stands for is kept
here: so it can be revoked, and a stolen database signs nothing, for the key lies elsewhere
(HMAC-SHA256, RFC 2104). All that is wrong with a link looks the same from outside.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.model.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from jupyter_server_ext.stores import LinkStore
    from jupyter_server_ext.stores.health import StoreHealth

_NONCE: Final = 16
_KEY: Final = 32
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{64}")


def load_key(path: Path) -> bytes:
    """Read the key of this server, or make one, readable by its owner only.

    Links that were signed with a key that is lost are void.

    Raises
    ------
    OSError
        If it can be neither read nor written.
    """
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = b""
    if len(key) == _KEY:
        path.chmod(0o600)
        return key
    key, part = secrets.token_bytes(_KEY), path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(descriptor)
    part.replace(path)
    return key


def sign(key: bytes, link: Link) -> str:
    """Return the part of an address that opens the file."""
    nonce = bytes.fromhex(link.id)
    fields: tuple[str | int, ...] = (link.task_id, link.generation, link.user, link.expires)
    if link.path:
        fields += (link.path, link.tag)
    # Each field with its length before it: no two links have the same text.
    text = b"".join(
        len(data).to_bytes(4, "big") + data
        for data in (nonce, *(str(field).encode() for field in fields))
    )
    signature = hmac.digest(key, text, hashlib.sha256)
    return base64.urlsafe_b64encode(nonce + signature).decode()


class Links:
    """All links that are open.

    Parameters
    ----------
    store
        What outlives the process.
    key
        Makes the key when the state is taken up.
    now
        Milliseconds since 1970.
    longest
        Seconds that a link may be open at most.
    most
        Links that may be open at the same time.
    """

    def __init__(
        self,
        *,
        store: LinkStore,
        key: Callable[[], bytes],
        now: Callable[[], int],
        longest: float,
        most: int,
    ) -> None:
        self._store = store
        self._make_key = key
        self._key = secrets.token_bytes(_KEY)
        self._now = now
        self.longest = longest
        self._most = most
        self._links: dict[str, Link] = {}

    async def load(self) -> None:
        """Take up the links of the server before.

        Raises
        ------
        OSError, sqlite3.Error
            If the store or the key cannot be had.
        """
        links = await self._store.load()
        self._key = self._make_key()
        self._links = {link.id: link for link in links}

    @property
    def store_health(self) -> StoreHealth:
        """How the store fares that is used now."""
        return self._store.health

    def read_key(self) -> bytes:
        """Return what links are signed with, and capabilities are made of."""
        return self._key

    def use_key(self, key: bytes) -> None:
        """Sign links with another key from now on."""
        self._key = key

    def heard(self, identity: str, link: Link | None) -> None:
        """Take what another server knows of a link."""
        if link is None:
            self._links.pop(identity, None)
        else:
            self._links[identity] = link

    def save_all(self) -> None:
        """Save all of them: the store has lost them."""
        for link in self._links.values():
            self._store.save(link)

    def use(self, store: LinkStore) -> None:
        """Remember links in another store from now on."""
        self._store = store

    async def issue(
        self,
        *,
        user: str,
        seconds: float,
        task_id: str = "",
        generation: int = 0,
        path: str = "",
        tag: str = "",
        identity: str = "",
    ) -> tuple[Link, str]:
        """Make a link to the file of a job, or to the one at a path.

        Parameters
        ----------
        identity
            Its id, where that is chosen: 32 hexadecimal digits that nobody could guess. The link
            that has it already is returned as it is.

        Returns
        -------
        The link, and the part of its address that opens the file: it is not kept.

        Raises
        ------
        ApiError
            ``too-many-links``.
        """
        if identity in self._links:
            return self.made(identity)
        now = self._now()
        await self.reap()
        if len(self._links) >= self._most:
            raise ApiError("too-many-links", f"{self._most} links are open.")
        identity = identity or secrets.token_hex(_NONCE)
        expires = now + int(seconds * 1000)
        link = Link(identity, task_id, generation, user, now, expires, path, tag)
        self._links[identity] = link
        await self._store.save_now(link)
        return link, sign(self._key, link)

    def made(self, identity: str) -> tuple[Link, str]:
        """Return what `issue` did for a link that was made with this id.

        Raises
        ------
        ApiError
            ``made-gone``, if it is closed or has expired.
        """
        link = self._links.get(identity)
        if link is None or link.expires <= self._now():
            raise ApiError("made-gone", "The link is closed.")
        return link, sign(self._key, link)

    def open(self, token: str) -> Link:
        """Return what a link stands for.

        Raises
        ------
        ApiError
            ``link-not-found``, whatever is wrong.
        """
        # Always one signature and one comparison of the same length, whatever there is.
        well_formed = _TOKEN.fullmatch(token) is not None
        data = base64.urlsafe_b64decode(token) if well_formed else bytes(48)
        found = self._links.get(data[:_NONCE].hex())
        link = found or Link(bytes(_NONCE).hex(), "", 0, "", 0, 0)
        expected, given = sign(self._key, link).encode(), token.encode(errors="replace")
        genuine = hmac.compare_digest(expected, given)
        if found is None or not genuine or found.expires <= self._now():
            raise ApiError("link-not-found", "There is nothing at this address.")
        return found

    def of(self, task_id: str, path: str = "") -> list[Link]:
        """Return the open links of a job, or of the file at a path, the newest first."""
        now = self._now()
        links = [
            link
            for link in self._links.values()
            if (link.task_id, link.path) == (task_id, path) and link.expires > now
        ]
        return sorted(links, key=lambda link: (link.created, link.id), reverse=True)

    def count(self) -> int:
        """Return how many links open something now."""
        now = self._now()
        return sum(link.expires > now for link in tuple(self._links.values()))

    async def revoke(self, task_id: str, identity: str | None = None, path: str = "") -> int:
        """Close one link of a job or of a path, or all of them; return how many that were."""
        return await self._drop(
            link.id for link in self.of(task_id, path) if identity is None or link.id == identity
        )

    async def reap(self) -> None:
        """Forget what has expired."""
        now = self._now()
        await self._drop(link.id for link in tuple(self._links.values()) if link.expires <= now)

    async def close(self) -> None:
        """Release the store."""
        await self._store.close()

    async def _drop(self, identities: Iterable[str]) -> int:
        gone = list(identities)
        for identity in gone:
            self._links.pop(identity, None)
        if gone:
            await self._store.delete(gone)
        return len(gone)
