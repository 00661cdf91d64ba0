"""What was fetched before, from where, and of which version: it need not come twice.

It is remembered where finished exports are, under a key of its own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from progresswidget.export import finished
from progresswidget.transfer import address
from progresswidget.transfer.representation import Representation

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

BLOCK: Final = 2**20


def recall(path: Path, url: str) -> tuple[finished.Finished, Representation] | None:
    """Return what was fetched from this address to this path before, if it is unchanged."""
    known = finished.recall(path)
    if known is None:
        return None
    try:
        fields = json.loads(known.key)
        if fields["download"] != address.identity(url):
            return None
        return known, Representation.from_json(fields["version"])
    except (ValueError, KeyError, TypeError):
        return None


def remember(
    path: Path, url: str, published: os.stat_result, version: Representation, digest: str
) -> None:
    """Remember a file that was fetched; the digest is an empty text if nobody knows it yet."""
    entry = finished.Finished(_key(url, version), (), published.st_size, digest)
    finished.remember(path, published, entry)


def add_digest(
    path: Path, url: str, published: os.stat_result, version: Representation, digest: str
) -> None:
    """Remember the digest of a file too, if it is still what is remembered, and lacks one."""
    finished.add_digest(path, published, _key(url, version), digest)


def _key(url: str, version: Representation) -> str:
    return json.dumps({"download": address.identity(url), "version": version.to_json()})


def sha256_of(path: Path, checkpoint: Callable[[], None]) -> str:
    """Return the digest of a file that is there.

    Parameters
    ----------
    checkpoint
        Called often; it may raise to end it all.
    """
    import hashlib

    digest, buffer = hashlib.sha256(), memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer):
            digest.update(buffer[:size])
            checkpoint()
    return digest.hexdigest()
