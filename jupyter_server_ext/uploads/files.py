"""Uploads on their way: staged beside their target, told of by a record, published by a rename.

The bytes lie in a hidden file in the folder of the target, so that the last step stays within one
file system and is atomic. Its size is the offset of the upload. What else is known of it is in its
record, which the server's own store keeps. Everything here is called in threads.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.naming import is_claim
from jupyter_server_ext.uploads.staged import StagedFile, refusal
from jupyter_server_ext.uploads.targets import (
    give_name,
    inode_of,
    make_staged,
    open_folder,
    open_staged,
    require_free,
)

if TYPE_CHECKING:
    from jupyter_server_ext.model.upload import Upload
    from jupyter_server_ext.uploads.records import UploadRecords

_WITHOUT_FOLDER: Final = frozenset({"folder-missing", "outside-roots"})
"""What is said where the folder went, and the staged file with it."""


class UploadFiles:
    """The files of uploads, each step in the order in which a server may die between any two.

    Parameters
    ----------
    root
        The folder below which files are uploaded.
    records
        What is known of them beside.
    """

    def __init__(self, root: str, records: UploadRecords) -> None:
        self._root = root
        self._records = records

    def create(self, upload: Upload) -> Upload:
        """Make the empty file of a new upload; every refusal that can be foreseen comes here.

        Raises
        ------
        ApiError
            ``target-exists``, ``folder-missing``, ``outside-roots``, ``not-writable``,
            ``name-refused`` or ``disk-full``.
        """
        with open_folder(self._root, upload) as folder:
            require_free(folder, upload)
            # The record first: without it nobody would know the file of a server that was killed.
            # Where it cannot be written, such a file is a leftover, and the client begins again.
            upload = self._records.save(upload)
            try:
                make_staged(folder, upload)
            except OSError as error:
                self._records.forget(upload.id)
                raise refusal(error) from error
        return upload

    def open(self, upload: Upload) -> StagedFile:
        """Open the file of an upload.

        Raises
        ------
        ApiError
            ``upload-gone``, if somebody else removed it.
        """
        with open_folder(self._root, upload) as folder:
            return StagedFile(open_staged(folder, upload))

    def size(self, upload: Upload) -> int:
        """Return the bytes that are there.

        Raises
        ------
        ApiError
            ``upload-gone``.
        """
        with self.open(upload) as file:
            return file.offset

    def remove(self, upload: Upload) -> None:
        """Remove the staged file and the record; a published file stays.

        Raises
        ------
        ApiError
            If the file cannot be removed now; then the record stays too.
        """
        try:
            with open_folder(self._root, upload) as folder, suppress(FileNotFoundError):
                os.unlink(upload.staged, dir_fd=folder)
        except OSError as error:
            raise refusal(error) from error
        except ApiError as error:
            if error.code not in _WITHOUT_FOLDER:
                raise
        self._records.forget(upload.id)

    def publish(self, upload: Upload, file: StagedFile, sha256: str) -> Upload:
        """Give a complete file its name, and return the upload as done.

        Raises
        ------
        ApiError
            As `create`, or ``disk-failed``; the bytes stay staged.
        """
        file.sync()
        # From here on a server that starts again finds out by the inode how far this one came. An
        # older record would tell it that the bytes are gone, while the file has its name.
        upload = self._records.save(
            replace(
                upload, state="publishing", sha256=sha256, inode=file.inode, mtime_ns=file.mtime_ns
            ),
            surely=True,
        )

        def claiming() -> None:
            # Without it nobody would dare to remove the empty file.
            nonlocal upload
            upload = self._records.save(replace(upload, claimed=time.time()), surely=True)

        with open_folder(self._root, upload) as folder:
            try:
                give_name(folder, upload, claiming)
                os.fsync(folder)
            except OSError as error:
                raise refusal(error) from error
        # Nobody waits for this to be written: without it the inode says the same.
        return self._records.save_soon(replace(upload, state="done"))

    def stands(self, upload: Upload) -> bool:
        """Say whether the file of a finished upload is still there, and as it was."""
        try:
            with open_folder(self._root, upload) as folder:
                status = os.stat(upload.name, dir_fd=folder, follow_symlinks=False)
        except (OSError, ApiError):
            return False
        # Other bytes in the same file have another size or a later time.
        same = (status.st_dev, status.st_ino) == upload.inode and status.st_size == upload.length
        return same and upload.mtime_ns in {None, status.st_mtime_ns}

    def recover(self, upload: Upload) -> tuple[Upload, int]:
        """Return an upload and its offset, put in order after whoever had it before.

        Raises
        ------
        ApiError
            ``upload-gone``, if the bytes are not there any more.
        """
        if upload.state == "done":
            return upload, upload.length or 0
        with open_folder(self._root, upload) as folder:
            if upload.state == "publishing" and inode_of(folder, upload.name) == upload.inode:
                with suppress(FileNotFoundError):
                    os.unlink(upload.staged, dir_fd=folder)
                return self._records.save_soon(replace(upload, state="done")), upload.length or 0
            if upload.claimed is not None and is_claim(folder, upload.name, upload.claimed):
                with suppress(OSError):
                    os.unlink(upload.name, dir_fd=folder)
            with StagedFile(open_staged(folder, upload)) as file:
                if upload.verified is not None and file.offset > upload.verified:
                    file.cut(upload.verified)
                return upload, file.offset
