"""Uploads on their way: staged beside their target, described by a sidecar, published by a rename.

The bytes lie in a hidden file in the folder of the target, so that the last step stays within one
file system and is atomic. Its size is the offset of the upload. What else is known of it lies in a
sidecar in the server's own directory, where nobody else writes. Everything here is called in
threads.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.stores.health import StoreHealth
from jupyter_server_ext.stores.staged import StagedFile, refusal
from jupyter_server_ext.tus import is_upload_id
from jupyter_server_ext.tusheaders import Creation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from jupyter_server_ext.sharing import UploadSharing
    from progresswidget.protocol import Json

State: TypeAlias = Literal["receiving", "publishing", "done"]

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: should somebody put a FIFO there, opening it must not wait for a writer.
_STAGED: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PERMISSIONS: Final = 0o777
_WITHOUT_FOLDER: Final = frozenset({"folder-missing", "outside-roots"})
"""What is said where the folder went, and the staged file with it."""
_NO_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@dataclass(frozen=True, slots=True)
class Upload:
    """What outlives the server's process.

    Parameters
    ----------
    id
        32 hexadecimal digits, made by the server.
    owner
        Who created it; nobody else sees it.
    creation
        What was asked for; `name` is always set.
    length
        Bytes of the whole file, or None where it is not told yet.
    created, expires
        Milliseconds since 1970.
    key, request
        The `Idempotency-Key` of the creation, and a digest of what was asked for with it.
    verified
        Where checksums are used: the offset up to which they held. Bytes beyond are not trusted.
    state
        ``publishing`` from the moment that the target may be there.
    sha256
        The digest of the whole file, from ``publishing`` on.
    inode, mtime_ns
        Device, inode and modification time of the file that is published.
    """

    id: str
    owner: str
    creation: Creation
    length: int | None
    created: int
    expires: int
    key: str | None = None
    request: str = ""
    verified: int | None = None
    state: State = "receiving"
    sha256: str | None = None
    inode: tuple[int, int] | None = None
    mtime_ns: int | None = None

    @property
    def name(self) -> str:
        """The name of the target."""
        return self.creation.name or f"upload-{self.id}"

    @property
    def path(self) -> str:
        """The path of the target below the server's root."""
        return "/".join((*self.creation.folder, self.name))

    @property
    def staged(self) -> str:
        """The name of the file that holds the bytes until all are there."""
        return f".progresswidget-{self.id}.upload"

    def to_json(self) -> Json:
        """Return the form that the sidecar keeps."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Upload:
        """Read what `to_json` wrote."""
        creation = value["creation"]
        creation = Creation(**(creation | {"folder": tuple(creation["folder"])}))
        inode = value["inode"]
        return cls(
            **(value | {"creation": creation, "inode": None if inode is None else tuple(inode)})
        )


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
        with self._folder(upload) as folder:
            _require_free(folder, upload)
            # The sidecar first: without it nobody would know the file of a server that was killed.
            self.save(upload)
            try:
                _make_staged(folder, upload)
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
        with self._folder(upload) as folder:
            return StagedFile(_open_staged(folder, upload))

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
            with self._folder(upload) as folder, suppress(FileNotFoundError):
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
        with self._folder(upload) as folder:
            try:
                _give_name(folder, upload)
                os.fsync(folder)
            except OSError as error:
                raise refusal(error) from error
        upload = replace(upload, state="done")
        self.save(upload)
        return upload

    def stands(self, upload: Upload) -> bool:
        """Say whether the file of a finished upload is still there, and as it was."""
        try:
            with self._folder(upload) as folder:
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
        with self._folder(upload) as folder:
            if upload.state == "publishing" and _inode(folder, upload.name) == upload.inode:
                with suppress(FileNotFoundError):
                    os.unlink(upload.staged, dir_fd=folder)
                upload = replace(upload, state="done")
                self.save(upload)
                return upload, upload.length or 0
            with StagedFile(_open_staged(folder, upload)) as file:
                if upload.verified is not None and file.offset > upload.verified:
                    file.cut(upload.verified)
                return upload, file.offset

    @contextmanager
    def _folder(self, upload: Upload) -> Iterator[int]:
        # One component at a time, each relative to the one before: whoever swaps a folder for a
        # symlink meanwhile gets ELOOP or ENOTDIR, and never leads us outside.
        descriptor = _open_folder(self._root, _FOLDER, None)
        try:
            for part in upload.creation.folder:
                inner = _open_folder(part, _FOLDER | os.O_NOFOLLOW, descriptor)
                os.close(descriptor)
                descriptor = inner
            yield descriptor
        finally:
            os.close(descriptor)


def _open_folder(name: str, flags: int, folder: int | None) -> int:
    try:
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        raise refusal(error) from error


def _make_staged(folder: int, upload: Upload) -> None:
    descriptor = os.open(upload.staged, _STAGED | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder)
    try:
        # What replaces a private file is private from its first byte on.
        with suppress(FileNotFoundError):
            old = os.stat(upload.name, dir_fd=folder, follow_symlinks=False)
            os.fchmod(descriptor, stat.S_IMODE(old.st_mode) & _PERMISSIONS)
    finally:
        os.close(descriptor)


def _open_staged(folder: int, upload: Upload) -> int:
    try:
        descriptor = os.open(upload.staged, _STAGED, dir_fd=folder)
    except FileNotFoundError:
        raise ApiError("upload-gone", "The received bytes were removed.") from None
    except OSError as error:
        raise refusal(error) from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ApiError("upload-gone", "The received bytes were replaced by something else.")
    return descriptor


def _require_free(folder: int, upload: Upload) -> None:
    try:
        status = os.stat(upload.name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        raise refusal(error) from error
    # What is replaced is a file: never a folder, and never what a link points to.
    if not upload.creation.overwrite or not stat.S_ISREG(status.st_mode):
        raise ApiError("target-exists", "There is something of this name already.")


def _give_name(folder: int, upload: Upload) -> None:
    if upload.creation.overwrite:
        _require_free(folder, upload)
        os.rename(upload.staged, upload.name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    # A rename replaces silently; a link fails if the name is taken.
    try:
        os.link(upload.staged, upload.name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A file system without hard links: claim the name first, then replace our own claim.
        os.close(os.open(upload.name, _STAGED | os.O_CREAT | os.O_EXCL, 0o666, dir_fd=folder))
        os.rename(upload.staged, upload.name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    os.unlink(upload.staged, dir_fd=folder)


def _inode(folder: int, name: str) -> tuple[int, int] | None:
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None
    return status.st_dev, status.st_ino
