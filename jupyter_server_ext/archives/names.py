"""Names in archives: what unpacks to another place, or looks like another name, is changed."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_LONGEST: Final = 255
"""Bytes of one component that all common file systems take."""
# What Windows forbids or takes for a path (learn.microsoft.com, "Naming files, paths, and
# namespaces"), and what turns the direction of text, so that an ending can be hidden.
_FORBIDDEN: Final = re.compile('[<>:"\\\\|?*\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]')


def safe(parts: Sequence[str]) -> str:
    """Return a path for an archive: relative, without ``..``, and plain on every system.

    Parameters
    ----------
    parts
        The components, as the file system has them: bytes that are no UTF-8 as surrogates.
    """
    return "/".join(_component(part) for part in parts)


def _component(part: str) -> str:
    text = "".join(
        "_" if unicodedata.category(character) in {"Cc", "Cs"} else character for character in part
    )
    text = _FORBIDDEN.sub("_", text).replace("/", "_")
    # Windows drops dots and blanks at the end, and ".." would lead out.
    kept = text.rstrip(". ")
    text = kept + "_" * (len(text) - len(kept))
    while len(text.encode()) > _LONGEST:
        text = text[:-1]
    return text or "_"


class Names:
    """The names of one archive, no two of them the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        """Return `name`, or one like it if it is taken: what is alike but for case is the same."""
        found, number = name, 1
        while found.casefold() in self._taken:
            number += 1
            path = PurePosixPath(name)
            found = str(path.with_name(f"{path.stem} ({number}){path.suffix}"))
        self._taken.add(found.casefold())
        return found
