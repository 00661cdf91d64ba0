"""`Idempotency-Key`: what is asked for twice with one key is made once.

Source: draft-ietf-httpapi-idempotency-key-header. The id of what is to be made is chosen first and
kept with the key, and the thing is made under that id. So a server that dies between the two makes
it once, too: whoever asks again goes on with the id that the key has.

A request that is refused leaves its key free, for nothing was made. What the draft calls the result
of the earlier request is what was made, as it is now: neither a record that has moved on nor the
secret of a link is kept a second time.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from progresswidget.protocol import MalformedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from jupyter_server_ext.stores import KeyStore
    from progresswidget.protocol import Json

FIELD: Final = "Idempotency-Key"
# A string of RFC 9651 section 3.3.3; and, as many clients send it, one without its quotation marks.
PATTERN: Final = (
    r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,128}"|[\x21\x23-\x2b\x2d-\x3a\x3c-\x7e]{1,128}'
)
_KEY: Final = re.compile(PATTERN)


def parse_key(headers: Mapping[str, str]) -> str | None:
    """Return the `Idempotency-Key`, or None where there is none.

    Raises
    ------
    ApiError
        ``malformed``.
    """
    text = headers.get(FIELD)
    if text is None:
        return None
    text = text.strip(" \t")
    if _KEY.fullmatch(text) is None:
        message = f"{FIELD} must be a string of 1 to 128 characters, in quotation marks."
        raise ApiError("malformed", message)
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


@dataclass(frozen=True, slots=True)
class Making:
    """What a request is to make.

    Parameters
    ----------
    identity
        Under which id: 32 hexadecimal digits.
    again
        Whether it was made already: then there is nothing to do but to answer with it.
    """

    identity: str
    again: bool = False


class Idempotency:
    """All keys.

    Parameters
    ----------
    store
        Remembers which request a key belongs to.
    expiry
        Seconds for which it does.
    """

    def __init__(self, store: KeyStore, expiry: float) -> None:
        self._store = store
        self._expiry = expiry
        self._busy: dict[str, str] = {}

    @asynccontextmanager
    async def once(self, owner: str, key: str | None, request: Json) -> AsyncIterator[Making]:
        """Make something once.

        Parameters
        ----------
        owner
            Who asks: the same key of somebody else is another one.
        key
            As `parse_key` returns it; without one it is made in any case.
        request
            What is asked for.

        Raises
        ------
        ApiError
            ``key-reused`` or ``key-busy``.
        """
        identity = secrets.token_hex(16)
        if key is None:
            yield Making(identity)
            return
        name = json.dumps([owner, key])
        digest = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        _require_same(self._busy.get(name, digest), digest)
        if name in self._busy:
            raise ApiError("key-busy", "The same request is being done.", retry_after=1)
        self._busy[name] = digest
        try:
            claim = await self._store.claim(name, digest, identity, self._expiry)
            if claim is None:
                making = Making(identity)
            else:
                _require_same(claim.request, digest)
                making = Making(claim.result, claim.settled)
            async with self._done(name, making):
                yield making
        finally:
            del self._busy[name]

    @asynccontextmanager
    async def _done(self, name: str, making: Making) -> AsyncIterator[None]:
        try:
            yield
        except (ApiError, MalformedError):
            # Refused, not cut off: it is certain that nothing was made.
            if not making.again:
                await self._store.forget(name)
            raise
        if not making.again:
            await self._store.settle(name)


def _require_same(earlier: str, digest: str) -> None:
    if earlier != digest:
        raise ApiError("key-reused", "The key belongs to another request.")
