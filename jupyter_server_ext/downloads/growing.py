"""The file that an export is writing to: opened by its fingerprint, read as far as it stands."""

from __future__ import annotations

import hashlib
import os
from pathlib import PurePath
from typing import TYPE_CHECKING, Protocol, Self

import xxhash

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.opening import check_place, open_regular
from jupyter_server_ext.files.published import BLOCK, FileChangedError, PublishedFile
from progresswidget.protocol import XXH128

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jupyter_server_ext.downloads.following import Source
    from progresswidget.protocol import Fingerprint, Part, Written


class _Digest(Protocol):
    def update(self, data: bytes | memoryview, /) -> None: ...

    def hexdigest(self) -> str: ...


class GrowingFile:
    """An open file of which a beginning stands, and that is read from its first byte to its last.

    Parameters
    ----------
    file
        Owned by this object.
    algorithm
        Of the digest by which it is confirmed, `SHA_256` or `XXH128`.
    """

    def __init__(self, file: PublishedFile, algorithm: str) -> None:
        self._file = file
        self._algorithm = algorithm
        self._digest: _Digest = xxhash.xxh3_128() if algorithm == XXH128 else hashlib.sha256()
        self.offset = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, once."""
        self._file.close()

    @property
    def descriptor(self) -> int:
        """Open for reading."""
        return self._file.descriptor

    def read(self, offset: int, length: int) -> bytes:
        """Return the next bytes; to be called in a thread.

        Raises
        ------
        FileChangedError
            If they are not there, whatever was said.
        """
        block = os.pread(self.descriptor, min(length, BLOCK), offset)
        if not block:
            raise FileChangedError("there are fewer bytes than there should be")
        self.took(block)
        return block

    def took(self, data: bytes | memoryview) -> None:
        """Note the next bytes, which were read elsewhere."""
        self.offset += len(data)
        self._digest.update(data)

    @property
    def size(self) -> int:
        """The bytes that are in the file now."""
        return os.fstat(self.descriptor).st_size

    def check(self) -> None:
        """Look whether the file is shorter than what was read of it.

        Raises
        ------
        FileChangedError
            If it is. Whether what was read was good is known only at the end: see `confirm`.
        """
        if self.size < self.offset:
            raise FileChangedError("what was sent is not there any more")

    def confirm(self, published: Fingerprint, sha256: str | None, written: Written | None) -> None:
        """Confirm that what was read is the whole published file.

        Parameters
        ----------
        published
            The file that it should be.
        sha256, written
            What is known of its digests.

        Raises
        ------
        FileChangedError
            If it is not.
        """
        found = os.fstat(self.descriptor)
        same = (found.st_dev, found.st_ino, found.st_size) == (
            published.device,
            published.inode,
            self.offset,
        )
        if self._algorithm == XXH128:
            expected = None if written is None else written.xxh128
            # That digest is of what was written, and tells nothing of who wrote to the file since.
            same = same and found.st_mtime_ns == published.mtime_ns
        else:
            expected = sha256
        if not same or self._digest.hexdigest() != expected:
            raise FileChangedError("what was sent is not the file that was exported")


def open_growing(
    path: str,
    part: Part | None,
    source: Source,
    algorithm: str,
    roots: Sequence[str],
    *,
    allow_hidden: bool,
) -> GrowingFile:
    """Open the part of a file, or the file itself if it got its name meanwhile; in a thread.

    The name of a part is hidden, and is opened all the same: it is the very file that the kernel
    writes to, and its place is one where the finished file may be served.

    Parameters
    ----------
    path
        Absolute path of the finished file, as the kernel reported it: not to be trusted.
    part
        What the kernel says of the part, if it still has one.
    source
        The device and inode of the one file that will do.
    algorithm
        Of the digest by which it will be confirmed.
    roots
        Folders below which files may be served.
    allow_hidden
        Whether the finished file may be hidden.

    Raises
    ------
    ApiError
        ``outside-roots``, ``hidden`` or ``not-ready``.
    """
    check_place(path, roots, allow_hidden=allow_hidden)
    names = [path] if part is None else [str(PurePath(path).with_name(part.name)), path]
    for name in names:
        try:
            file = open_regular(name, roots)
        except ApiError as error:
            if error.code == "outside-roots":
                raise
            continue
        if (file.fingerprint.device, file.fingerprint.inode) == source:
            return GrowingFile(file, algorithm)
        file.close()
    raise ApiError("not-ready", "What is written so far cannot be seen here.", retry_after=1)
