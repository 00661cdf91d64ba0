"""What tells a file that is read from the one that it becomes meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from progresswidget.errors import SourceChangedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def marked(paths: Iterable[str | os.PathLike[str]]) -> Callable[[], None]:
    """Look at files before they are read, and return what looks at them again afterwards.

    That raises `SourceChangedError` if one is another by then, so that no rows of two moments get
    a name.
    """
    marks = {Path(path): _mark(path) for path in paths}

    def check() -> None:
        for path, mark in marks.items():
            if _mark(path) != mark:
                raise changed(path)

    return check


def listed(text: str, root: str = "") -> Iterator[str]:
    """Yield the files that a text lists with commas between them, which may be in names, too."""
    parts = text.split(", ")
    for start in range(len(parts)):
        for end in range(start + 1, len(parts) + 1):
            path = root + ", ".join(parts[start:end])
            if os.path.isfile(path):  # noqa: PTH113 - as in `_mark`
                yield path
                break


def changed(path: Path) -> SourceChangedError:
    """Return the error for a file that changed while it was read."""
    return SourceChangedError(
        f"The file {path.name!r} changed while it was read.", "Export again when it is written."
    )


def _mark(path: str | os.PathLike[str]) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - of texts, of which there may be many
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns, found.st_ino
