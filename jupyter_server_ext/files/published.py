"""A file that is open, and known to be the one that is meant: read in blocks, and watched."""

from __future__ import annotations

import hashlib
import os
from typing import Final

from jupyter_server_ext.files.openfile import OpenFile
from progresswidget.protocol import Fingerprint

BLOCK: Final = 1024 * 1024
"""Bytes read at once: enough for the disk, little enough to hold for every reader."""


class FileChangedError(Exception):
    """The file was written to, or cut, while it was being read."""


class PublishedFile(OpenFile):
    """An open file that is known to be the one that is meant. Close it after use.

    Parameters
    ----------
    descriptor
        Owned by this object.
    expected
        The fingerprint under which it was published, or its own of a moment ago.
    """

    def __init__(self, descriptor: int, expected: Fingerprint) -> None:
        super().__init__(descriptor)
        self._expected = expected
        self.fingerprint = fingerprint_of(os.fstat(descriptor))

    @property
    def descriptor(self) -> int:
        """Open for reading."""
        return self._descriptor

    @property
    def touched(self) -> bool:
        """Whether only the change time differs, as after `chmod`, or after forged mtimes."""
        return self.fingerprint != self._expected and self._same_content(self.fingerprint)

    @property
    def changed(self) -> bool:
        """Whether it is another file, or one that was written to."""
        return not self._same_content(self.fingerprint)

    def read(self, offset: int, length: int) -> bytes:
        """Read one block; to be called in a thread.

        Raises
        ------
        FileChangedError
            If the file is no longer what it was: the bytes then belong to no version of it.
        """
        data = os.pread(self._descriptor, min(length, BLOCK), offset)
        # Looked at after the read: what was read before the first change is still good.
        self.check()
        if not data:
            raise FileChangedError
        return data

    def check(self) -> None:
        """Look whether the file was written to since it was opened.

        Raises
        ------
        FileChangedError
            If it was. The change time does not count: deleting or renaming the file moves it, and
            harms no open reader.
        """
        if not self._same_content(fingerprint_of(os.fstat(self._descriptor))):
            raise FileChangedError

    def sha256(self) -> str:
        """Return the digest of the whole file; to be called in a thread."""
        digest = hashlib.sha256()
        offset = 0
        while offset < self.fingerprint.size:
            block = self.read(offset, BLOCK)
            digest.update(block)
            offset += len(block)
        return digest.hexdigest()

    def _same_content(self, found: Fingerprint) -> bool:
        wanted = self._expected
        return (found.device, found.inode, found.size, found.mtime_ns) == (
            wanted.device,
            wanted.inode,
            wanted.size,
            wanted.mtime_ns,
        )


def fingerprint_of(status: os.stat_result) -> Fingerprint:
    """Return what tells a file from another one, and from itself after a change."""
    return Fingerprint(
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
    )
