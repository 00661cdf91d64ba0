"""Folders below the server's root: made where they are missing, and never through a link."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.uploads.staged import refusal

if TYPE_CHECKING:
    from collections.abc import Iterable

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def make_folders(root: str, parts: Iterable[str]) -> None:
    """Make the folders of a path; to be called in a thread.

    Parameters
    ----------
    root
        An absolute path.
    parts
        Names that were checked, outermost first.

    Raises
    ------
    ApiError
        ``outside-roots``, ``not-writable`` or ``disk-full``.
    """
    try:
        descriptor = os.open(root, _FOLDER)
        try:
            for part in parts:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
                # One component at a time, relative to the one before: a link in its place is ELOOP.
                inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = inner
        finally:
            os.close(descriptor)
    except OSError as error:
        raise refusal(error) from error
