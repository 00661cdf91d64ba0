"""Uploads on their way: staged beside their target, described by a sidecar, published by a rename.

The bytes lie in a hidden file in the folder of the target, so that the last step stays within one
file system and is atomic. Its size is the offset of the upload. What else is known of it lies in a
sidecar in the server's own directory, where nobody else writes. Everything here is called in
threads.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.files.naming import is_claim
from jupyter_server_ext.stores.health import StoreHealth
from jupyter_server_ext.uploads.record import Upload
from jupyter_server_ext.uploads.staged import StagedFile, refusal
from jupyter_server_ext.uploads.targets import (
    give_name,
    inode_of,
    make_staged,
    open_folder,
    open_staged,
    require_free,
)
from jupyter_server_ext.uploads.tus import is_upload_id

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from jupyter_server_ext.uploads.sharing import UploadSharing

_WITHOUT_FOLDER: Final = frozenset({"folder-missing", "outside-roots"})
"""What is said where the folder went, and the staged file with it."""


class UploadStore:
    """The sidecars, and the files that they tell of.

    Parameters
    ----------
    directory
        The server's own, for the sidecars.
    root
        The folder below which files are uploaded.
    sharing
        Who is told of sidecars, where several servers share them.
    """

    def __init__(self, directory: Path, root: str, sharing: UploadSharing | None = None) -> None:
        self._directory = directory / "uploads"
        self._root = root
        self._sharing = sharing
        self.health = StoreHealth("files")

    # --- Sidecars ----------------------------------------------------------------------------

    def load(self, known: Collection[str] = ()) -> list[tuple[Upload, int]]:
        """Return every upload with its offset, put in order after whatever ended the server.

        Parameters
        ----------
        known
            What other servers may be busy with, which is left alone.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = []
        for path in self._directory.glob("*.json"):
            try:
                upload = Upload.from_json(json.loads(path.read_bytes()))
            except (ValueError, KeyError, TypeError):
                upload = None
            if upload is None or not is_upload_id(upload.id):
                path.unlink(missing_ok=True)
                continue
            if upload.id in known:
                continue
            try:
                found.append(self.recover(upload))
            except ApiError as error:
                # A folder that cannot be reached now may be there at the next start.
                if error.code in {"upload-gone", "folder-missing"}:
                    self.forget(upload.id)
        for path in self._directory.glob("*.part"):
            path.unlink(missing_ok=True)
        return found

    def save(self, upload: Upload) -> None:
        """Write the sidecar, whole or not at all.

        Raises
        ------
        ApiError
            ``disk-full``.
        """
        path = self._directory / f"{upload.id}.json"
        part = path.with_suffix(".part")
        begun = time.monotonic()
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(json.dumps(upload.to_json()).encode())
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            self.health.failed(error, time.time_ns() // 1_000_000)
            raise refusal(error) from error
        self.health.worked()
        self.health.writes.observe(time.monotonic() - begun)
        if self._sharing is not None:
            self._sharing.saved(upload)

    def forget(self, upload_id: str) -> None:
        """Remove the sidecar, if it is there."""
        (self._directory / f"{upload_id}.json").unlink(missing_ok=True)
        if self._sharing is not None:
            self._sharing.forgotten(upload_id)

    # --- Staged files ------------------------------------------------------------------------

    def create(self, upload: Upload) -> None:
        """Make the empty file of a new upload; every refusal that can be foreseen comes here.

        Raises
        ------
        ApiError
            ``target-exists``, ``folder-missing``, ``outside-roots``, ``not-writable``,
            ``name-refused`` or ``disk-full``.
        """
        with open_folder(self._root, upload) as folder:
            require_free(folder, upload)
            # The sidecar first: without it nobody would know the file of a server that was killed.
            self.save(upload)
            try:
                make_staged(folder, upload)
            except OSError as error:
                self.forget(upload.id)
                raise refusal(error) from error

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
        """Remove the staged file and the sidecar; a published file stays.

        Raises
        ------
        ApiError
            If the file cannot be removed now; then the sidecar stays too.
        """
        try:
            with open_folder(self._root, upload) as folder, suppress(FileNotFoundError):
                os.unlink(upload.staged, dir_fd=folder)
        except OSError as error:
            raise refusal(error) from error
        except ApiError as error:
            if error.code not in _WITHOUT_FOLDER:
                raise
        self.forget(upload.id)

    def publish(self, upload: Upload, file: StagedFile, sha256: str) -> Upload:
        """Give a complete file its name, and return the upload as done.

        Raises
        ------
        ApiError
            As `create`; the bytes stay staged.
        """
        file.sync()
        # From here on a server that starts again finds out by the inode how far this one came.
        upload = replace(
            upload, state="publishing", sha256=sha256, inode=file.inode, mtime_ns=file.mtime_ns
        )
        self.save(upload)

        def claiming() -> None:
            self.save(replace(upload, claimed=time.time()))

        with open_folder(self._root, upload) as folder:
            try:
                give_name(folder, upload, claiming)
                os.fsync(folder)
            except OSError as error:
                raise refusal(error) from error
        upload = replace(upload, state="done")
        self.save(upload)
        return upload

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
                upload = replace(upload, state="done")
                self.save(upload)
                return upload, upload.length or 0
            if upload.claimed is not None and is_claim(folder, upload.name, upload.claimed):
                with suppress(OSError):
                    os.unlink(upload.name, dir_fd=folder)
            with StagedFile(open_staged(folder, upload)) as file:
                if upload.verified is not None and file.offset > upload.verified:
                    file.cut(upload.verified)
                return upload, file.offset
