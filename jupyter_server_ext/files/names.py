"""Which names of files and folders are taken from a client. Pure."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_NAME: Final = 255
"""Bytes of a file name on every file system in use."""
MAX_PATH: Final = 4_096
"""Bytes of a path (PATH_MAX of Linux)."""

# Unicode UAX #9: these turn "exe.txt" around in a listing, so that it reads as another name.
_BIDI: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_path(parts: Sequence[str], *, hidden: bool) -> None:
    """Refuse what must not become a path below a folder.

    Parameters
    ----------
    parts
        Folders, outermost first, and the name of the file.
    hidden
        Whether a part may begin with a dot.

    Raises
    ------
    ApiError
        ``name-refused`` or ``hidden``.
    """
    for part in parts:
        check_name(part, hidden=hidden)
    if len("/".join(parts).encode()) > MAX_PATH:
        raise ApiError("name-refused", f"A path has at most {MAX_PATH} bytes.")


def check_name(name: str, *, hidden: bool) -> None:
    """Refuse what must not become the name of a file or folder.

    Raises
    ------
    ApiError
        ``name-refused`` or ``hidden``.
    """
    if name in {"", ".", ".."} or "/" in name or "\\" in name:
        raise ApiError("name-refused", "A name must not lead to another folder.")
    if len(name.encode(errors="surrogatepass")) > MAX_NAME:
        raise ApiError("name-refused", f"A name has at most {MAX_NAME} bytes.")
    if any(_is_treacherous(character) for character in name):
        raise ApiError("name-refused", "A name must not hold control or direction characters.")
    if name.startswith(".") and not hidden:
        raise ApiError("hidden", "The file or a folder above it would be hidden.")


def _is_treacherous(character: str) -> bool:
    # Cc: NUL, CR, LF and the like; Cs: no text; Zl and Zp break lines as LF does.
    return character in _BIDI or unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
