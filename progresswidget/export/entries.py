"""Entries of archives that are no tables: files, folders, bytes and texts."""

from __future__ import annotations

import os
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from progresswidget.errors import (
    OptionError,
    SourceChangedError,
    SourceError,
    UnsupportedSourceError,
)
from progresswidget.export.options import Option
from progresswidget.export.parts import stem
from progresswidget.export.writers import Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

CHUNK: Final = 4 * 2**20
"""Bytes read at once."""
MAX_NAME: Final = 65_535
"""Bytes of a name: a ZIP counts them in 16 bits."""

ENTRY_OPTIONS: Final = (
    Option(
        "entry_format",
        (str,),
        "csv",
        "The format of frames whose names do not tell one.",
    ),
    Option(
        "entry_options",
        (dict, type(None)),
        None,
        "Options of the formats of the frames: each is given to the formats that have it.",
    ),
)
"""What a caller may set for every archive."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes that are an entry as they are.

    Parameters
    ----------
    total
        How many there are, or None if nobody knows before the end.
    chunks
        Begins to read, and yields them.
    once
        Whether they can be read only once.
    check
        Called after the last of them; raises `SourceChangedError` if they are not of one moment.
    """

    total: int | None
    chunks: Callable[[], Generator[bytes, None, None]]
    once: bool = False
    check: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Found:
    """An entry and its name in the archive."""

    name: str
    blob: Blob
    entry: Entry


class _File:
    """A file that is read in one go and must not change meanwhile.

    Parameters
    ----------
    path
        Where it is; no link.
    shown
        What it is called in messages.
    """

    def __init__(self, path: str, shown: str) -> None:
        self._path = path
        self._shown = shown
        self._seen: tuple[int, ...] = ()

    def chunks(self) -> Generator[bytes, None, None]:
        # O_NONBLOCK: a pipe that has taken the place of the file must not hold us up.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._path, flags)
        except FileNotFoundError as error:
            raise self._changed("is not there any more") from error
        except OSError as error:
            raise SourceError(f"{self._shown!r} cannot be read: {error.strerror}.") from error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise self._changed("is no file any more")
            self._seen = _identity(found)
            while chunk := os.read(descriptor, CHUNK):
                yield chunk
            if _identity(os.fstat(descriptor)) != self._seen:
                raise self._changed("was changed while it was read")
        finally:
            os.close(descriptor)

    def check(self) -> None:
        """Look whether the name still means what was read."""
        try:
            found = os.lstat(self._path)
        except OSError as error:
            raise self._changed("is not there any more") from error
        if _identity(found) != self._seen:
            raise self._changed("was changed while it was read")

    def _changed(self, what: str) -> SourceChangedError:
        return SourceChangedError(
            f"{self._shown!r} {what}.", "Run the export again when nothing writes to it."
        )


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def of_bytes(name: str, content: bytes | bytearray | memoryview | str) -> Found:
    """Return the entry that has the given bytes, or the given text as UTF-8.

    Raises
    ------
    UnsupportedSourceError
        If the text cannot be encoded.
    """
    if isinstance(content, str):
        try:
            data = content.encode()
        except UnicodeEncodeError as error:
            raise UnsupportedSourceError(
                f"The text of the entry {name!r} cannot be written as UTF-8: {error.reason}.",
                "Encode it yourself and give bytes.",
            ) from None
    else:
        data = bytes(content)  # a copy, where the bytes could change

    def chunks() -> Generator[bytes, None, None]:
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]

    return Found(name, Blob(len(data), chunks), Entry())


def of_path(name: str | None, path: Path, excluded: Path | None = None) -> Iterator[Found]:
    """Yield the entry of a file, or those of all the files in a folder and the folders in it.

    Parameters
    ----------
    name
        What it is called in the archive; by default as on the disk.
    path
        The file or folder; a link to one is followed.
    excluded
        The archive itself, which may be going to lie in the folder.

    Raises
    ------
    SourceError
        If it is not there or cannot be read.
    UnsupportedSourceError
        If it is neither, or something in the folder is not, such as a pipe.
    """
    try:
        real = Path(os.path.realpath(path.expanduser(), strict=True))
        found = real.stat()
    except (OSError, RuntimeError) as error:
        raise SourceError(
            f"{str(path)!r} is not there or cannot be read.",
            "A text in a list is the path of a file; give {name: text} for a text as an entry.",
        ) from error
    called = name if name is not None else Path(os.path.abspath(path.expanduser())).name  # noqa: PTH100 - keeps the name of a link
    if stat.S_ISDIR(found.st_mode):
        yield from _Folder(real, called.rstrip("/"), excluded).entries()
    else:
        yield _of_file(called, str(real), found, str(path))


def _of_file(name: str, path: str, found: os.stat_result, shown: str) -> Found:
    if not stat.S_ISREG(found.st_mode):
        raise UnsupportedSourceError(
            f"{shown!r} is neither a file nor a folder.", "Leave it out, or move it elsewhere."
        )
    file = _File(path, shown)
    entry = Entry(modified=int(found.st_mtime), mode=stat.S_IMODE(found.st_mode) & 0o777)
    return Found(name, Blob(found.st_size, file.chunks, check=file.check), entry)


class _Folder:
    """What is in a folder, in the order of the names."""

    def __init__(self, top: Path, name: str, excluded: Path | None) -> None:
        self._top = top
        self._name = name
        self._excluded = excluded
        self._beginnings: tuple[str, ...] = ()
        if excluded is not None:
            self._beginnings = (f".{excluded.name}.", f"{stem(excluded)}.")

    def entries(self) -> Iterator[Found]:
        open_folders = [(str(self._top), self._name)]
        while open_folders:
            folder, name = open_folders.pop()
            try:
                with os.scandir(folder) as listing:
                    found = sorted(listing, key=lambda each: each.name, reverse=True)
                kept = [each for each in found if not self._is_ours(folder, each.name)]
                if not kept and name:
                    yield self._empty(folder, name)
                below = [each for each in kept if each.is_dir(follow_symlinks=False)]
                open_folders += [(each.path, _join(name, each.name)) for each in below]
                for each in reversed(kept):
                    if not each.is_dir(follow_symlinks=False):
                        yield self._file(each, _join(name, each.name))
            except OSError as error:
                raise SourceError(f"{folder!r} cannot be read: {error.strerror}.") from error

    def _is_ours(self, folder: str, name: str) -> bool:
        """Say whether something is the archive, or what is there of it while it is written."""
        archive = self._excluded
        if archive is None:
            return False
        ours = name.startswith(self._beginnings)
        if folder == str(archive.parent):
            return ours or name == archive.name
        # A delivery prepares it in a folder that is named like its parts.
        staged = archive.parent.name.startswith(self._beginnings)
        return ours and staged and folder == str(archive.parent.parent)

    def _empty(self, folder: str, name: str) -> Found:
        found = os.stat(folder)  # noqa: PTH116 - walked as texts
        entry = Entry(
            modified=int(found.st_mtime), mode=stat.S_IMODE(found.st_mode) & 0o777, folder=True
        )
        return Found(f"{name}/", of_bytes(name, b"").blob, entry)

    def _file(self, found: os.DirEntry[str], name: str) -> Found:
        if not found.is_symlink():
            return _of_file(name, found.path, found.stat(follow_symlinks=False), found.path)
        real = Path(os.path.realpath(found.path))
        if not real.is_relative_to(self._top) or not real.is_file():
            raise UnsupportedSourceError(
                f"{found.path!r} is a link that leads to no file within the folder.",
                "Remove it, or give the files that are wanted one by one.",
            )
        return _of_file(name, str(real), real.stat(), found.path)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def check_names(names: Iterable[str]) -> None:
    """Check that the names are of entries that unpack below one folder, each to its own place.

    Raises
    ------
    OptionError
        If one is not.
    """
    taken: dict[str, str] = {}
    for name in names:
        problem = _problem(name)
        if problem:
            raise OptionError(
                f"The entry name {name!r} {problem}.",
                'Names are relative paths with "/" between their parts, such as "data/sales.csv".',
            )
        # macOS unpacks two names that differ in their normal form only to one file.
        key = unicodedata.normalize("NFC", name).rstrip("/")
        if key in taken:
            raise OptionError(
                f"Two entries would have the name {name!r}.",
                'Give a dict, {"name": file}, to name them yourself.',
            )
        taken[key] = name
    for key, name in taken.items():
        above = key
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in taken:
                raise OptionError(
                    f"The entry {taken[above]!r} would have to be a folder too, for {name!r}.",
                    "Rename one of them.",
                )


def _problem(name: object) -> str:
    if not isinstance(name, str) or not name.strip("/"):
        return "is no text or empty"
    if name.startswith("/") or (len(name) > 1 and name[1] == ":" and name[0].isalpha()):
        return "is absolute"
    if "\\" in name or any(ord(character) < ord(" ") for character in name):
        return "has a backslash or a control character"
    if any(part in {"", ".", ".."} for part in name.rstrip("/").split("/")):
        return 'has a part that is empty, "." or ".."'
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        return "cannot be written as UTF-8"
    return f"has more than {MAX_NAME:,} bytes" if size > MAX_NAME else ""
