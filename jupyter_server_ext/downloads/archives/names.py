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
_LONGEST_ENDING: Final = 32
"""Characters of what is worth keeping behind a number."""
# What Windows forbids or takes for a path (learn.microsoft.com, "Naming files, paths, and
# namespaces"), and what turns the direction of text, so that an ending can be hidden.
_FORBIDDEN: Final = re.compile('[<>:"\\\\|?*\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]')

# Windows opens a device by them, whatever the ending (the same source).
_DEVICES: Final = re.compile(
    "(con|prn|aux|nul|(com|lpt)[0-9\u00b9\u00b2\u00b3])[ ]*([.].*)?", re.IGNORECASE | re.DOTALL
)


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
    if _DEVICES.fullmatch(text):
        text = f"_{text}"
    # Windows drops dots and blanks at the end, and ".." would lead out.
    text = _cut(text, _LONGEST)
    kept = text.rstrip(". ")
    return kept + "_" * (len(text) - len(kept)) or "_"


def _cut(text: str, most: int) -> str:
    return text.encode()[:most].decode(errors="ignore")


class Names:
    """The names of one archive, no two of them the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, name: str) -> str:
        """Return `name`, or one like it if it is taken.

        What differs in case alone, or in the normal form of its letters, is the same to Windows and
        to macOS.
        """
        found, number = name, 1
        while _key(found) in self._taken:
            number += 1
            found = _numbered(PurePosixPath(name), f" ({number})")
        self._taken.add(_key(found))
        return found


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def _numbered(path: PurePosixPath, mark: str) -> str:
    ending = path.suffix if len(path.suffix) <= _LONGEST_ENDING else ""
    stem = path.name.removesuffix(ending)
    room = _LONGEST - len((mark + ending).encode())
    return str(path.with_name(f"{_cut(stem, room)}{mark}{ending}"))
