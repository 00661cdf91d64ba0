"""The file that holds the bytes of an upload until all are there. To be used in threads."""

from __future__ import annotations

import errno
import hashlib
import os
from typing import Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.openfile import OpenFile

_BLOCK: Final = 1024 * 1024
_CATCH_UP: Final = 8 * _BLOCK
"""Bytes that are read again with each block that comes: a few milliseconds of a thread."""
# What the file system says -> a code of the error table, and the words.
_REFUSALS: Final = (
    ({errno.ENOSPC, errno.EDQUOT, errno.EFBIG}, "disk-full", "There is no room for more bytes."),
    ({errno.EEXIST}, "target-exists", "There is something of this name already."),
    ({errno.ENOENT}, "folder-missing", "The folder does not exist."),
    ({errno.EACCES, errno.EPERM, errno.EROFS}, "not-writable", "The server may not write there."),
    ({errno.ENAMETOOLONG}, "name-refused", "The name or path is too long for the file system."),
    ({errno.ELOOP, errno.ENOTDIR}, "outside-roots", "Something that is no folder is in the way."),
)


class RunningDigest:
    """The SHA-256 of the first `position` bytes of a file, as far as they came in order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.position = 0

    def feed(self, offset: int, data: memoryview) -> None:
        """Take bytes of the file; out of order they are left for `complete` to read again."""
        if offset == self.position:
            self._hash.update(data)
            self.position += len(data)

    def catch_up(self, descriptor: int, offset: int, most: int) -> None:
        """Read some of what came before `offset` and was not fed: by a server before this one."""
        end = min(offset, self.position + most)
        while self.position < end:
            block = os.pread(descriptor, min(_BLOCK, end - self.position), self.position)
            if not block:
                return  # somebody else has cut it, and `complete` will say so
            self.feed(self.position, memoryview(block))

    def copy(self) -> RunningDigest:
        """Return a digest that goes on from here by itself."""
        other = RunningDigest()
        other._hash, other.position = self._hash.copy(), self.position
        return other

    def complete(self, descriptor: int, size: int) -> str:
        """Return the digest of the whole file, reading what was not fed."""
        if self.position > size:
            self.__init__()  # type: ignore[misc]  # the file was cut: begin again
        while self.position < size:
            block = os.pread(descriptor, min(_BLOCK, size - self.position), self.position)
            if not block:
                raise ApiError("upload-gone", "The received bytes were cut by somebody else.")
            self.feed(self.position, memoryview(block))
        return self._hash.hexdigest()


class StagedFile(OpenFile):
    """The open file of an upload. Close it after use.

    Parameters
    ----------
    descriptor
        Owned by this object.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        status = os.fstat(descriptor)
        self.offset = status.st_size
        self.inode = (status.st_dev, status.st_ino)

    def write(self, data: memoryview) -> None:
        """Append; whatever happens, `offset` tells what is there.

        Raises
        ------
        ApiError
            ``disk-full``.
        """
        done = 0
        try:
            while done < len(data):
                done += os.pwrite(self._descriptor, data[done:], self.offset + done)
        except OSError as error:
            raise refusal(error) from error
        finally:
            self.offset += done

    def cut(self, size: int) -> None:
        """Drop everything beyond `size`."""
        os.ftruncate(self._descriptor, size)
        self.offset = size

    @property
    def mtime_ns(self) -> int:
        """When it was last written to, in nanoseconds since 1970."""
        return os.fstat(self._descriptor).st_mtime_ns

    def sync(self) -> None:
        """Return when the bytes would survive a loss of power."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise refusal(error) from error

    def catch_up(self, digest: RunningDigest, offset: int) -> None:
        """Feed a digest some of what it has missed before `offset`."""
        digest.catch_up(self._descriptor, offset, _CATCH_UP)

    def sha256(self, digest: RunningDigest) -> str:
        """Return the digest of the whole file."""
        return digest.complete(self._descriptor, self.offset)


def refusal(error: OSError) -> ApiError:
    """Return what a client is told of a failure of the file system."""
    for numbers, code, message in _REFUSALS:
        if error.errno in numbers:
            return ApiError(code, message)
    return ApiError("disk-failed", f"The file system refused ({error.strerror}).")
