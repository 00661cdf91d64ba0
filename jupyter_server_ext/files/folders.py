"""What is in a folder, all the way down, and never through a symlink."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.opening import open_folder, open_folder_below
from jupyter_server_ext.files.published import fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from progresswidget.protocol import Fingerprint

MAX_DEPTH: Final = 64
"""Folders within one another: one descriptor each while they are being looked through."""


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file or a folder.

    Parameters
    ----------
    parts
        Its place below the folder that was looked through.
    fingerprint
        What it was when it was found.
    mode
        As `os.stat` gives it.
    """

    parts: tuple[str, ...]
    fingerprint: Fingerprint
    mode: int

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.mode)


class _Walk:
    def __init__(self, most: int, *, allow_hidden: bool) -> None:
        self._most = most
        self._allow_hidden = allow_hidden
        self.found: list[Found] = []

    def look(self, folder: int, above: tuple[str, ...], names: Sequence[str]) -> None:
        if len(above) >= MAX_DEPTH:
            raise ApiError("archive-too-large", f"Folders are more than {MAX_DEPTH} deep.")
        for name in names:
            if not name.startswith(".") or self._allow_hidden:
                self._add(folder, above, name)

    def _add(self, folder: int, above: tuple[str, ...], name: str) -> None:
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            return  # as good as removed before
        # Links lead who knows where, also on the computer that unpacks them; and what is neither
        # file nor folder has no bytes of its own.
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            return
        # Now and not when half of the archive is out.
        if not os.access(name, os.R_OK, dir_fd=folder):
            raise ApiError("not-readable", "The server may not read everything in the folder.")
        if len(self.found) >= self._most:
            raise ApiError("archive-too-large", f"There are more than {self._most} files.")
        parts = (*above, name)
        self.found.append(Found(parts, fingerprint_of(status), status.st_mode))
        if stat.S_ISDIR(status.st_mode):
            self._descend(folder, parts)

    def _descend(self, folder: int, parts: tuple[str, ...]) -> None:
        try:
            inner = open_folder(folder, parts[-1])
        except OSError:
            raise ApiError("not-ready", "The folder is changing.", retry_after=1) from None
        try:
            self.look(inner, parts, _list(inner))
        finally:
            os.close(inner)


def look_through(
    root: str, path: str, names: Sequence[str], *, most: int, allow_hidden: bool
) -> list[Found]:
    """List the files and folders below a folder; to be called in a thread.

    Symlinks, devices and the like are left out, and so is what is hidden, if that is not allowed.

    Parameters
    ----------
    root
        Absolute path of a folder.
    path
        The folder to look through, relative to `root`, with slashes: not to be trusted.
    names
        What of it is wanted: not to be trusted. Everything, if there are none.
    most
        Files and folders.

    Raises
    ------
    ApiError
        ``archive-too-large``, ``hidden``, ``not-found``, ``not-readable``, ``not-ready`` or
        ``outside-roots``.
    """
    folder = open_folder_below(root, path, allow_hidden=allow_hidden)
    try:
        walk = _Walk(most, allow_hidden=allow_hidden)
        for name in names:
            _require(folder, name, allow_hidden=allow_hidden)
        walk.look(folder, (), sorted(set(names)) or _list(folder))
        return walk.found
    finally:
        os.close(folder)


def _list(folder: int) -> list[str]:
    return sorted(os.listdir(folder))


def _require(folder: int, name: str, *, allow_hidden: bool) -> None:
    if name in {"", ".", ".."} or "/" in name or "\0" in name:
        raise ApiError("not-found", "There is no such file in the folder.")
    if name.startswith(".") and not allow_hidden:
        raise ApiError("hidden", "What is asked for is hidden.")
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        raise ApiError("not-found", "There is no such file in the folder.") from None
    if stat.S_ISLNK(status.st_mode):
        raise ApiError("outside-roots", "A symbolic link leads to the file.")
    if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
        raise ApiError("not-a-file", "This is neither a file nor a folder.")
