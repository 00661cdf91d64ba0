"""What a transfer is of, and what came of it."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from progresswidget.export.result import Result

if TYPE_CHECKING:
    from pathlib import Path

MAX_KIND: Final = 32
OCTETS: Final = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class FileKind:
    """The kind of a file, as far as its name tells.

    Parameters
    ----------
    name
        The ending of the file's name, or ``file``.
    media_type
        For the browser.
    append_only
        Whether it grows from its beginning to its end; a download does not, it has gaps.
    """

    name: str
    media_type: str
    append_only: bool = False

    @classmethod
    def of(cls, path: Path) -> FileKind:
        """Return the kind of a file."""
        ending = path.suffix.lstrip(".").lower()
        guessed, coding = mimetypes.guess_type(path.name)
        media_type = guessed if guessed is not None and coding is None else OCTETS
        return cls(ending[:MAX_KIND] or "file", media_type)


@dataclass(frozen=True, slots=True)
class Transferred(Result):
    """A file that was moved; what a job counts as rows are its bytes here.

    Parameters
    ----------
    url
        From where it came, or where it is now.
    """

    url: str = ""

    def __repr__(self) -> str:
        return f"Transferred(path={str(self.path)!r}, url={self.url!r}, bytes={self.bytes})"
