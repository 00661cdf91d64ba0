"""A folder of this machine as a receiver, such as a share: copied beside the name, then renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from progresswidget.delivery.execution import LostError
from progresswidget.errors import ProgressWidgetError
from progresswidget.export.destination import check, existing, explain
from progresswidget.export.parts import RANDOM, discard, part_path
from progresswidget.export.reopening import copy_prefix, named_part
from progresswidget.transfer.fetched import sha256_of

if TYPE_CHECKING:
    from pathlib import Path

    from progresswidget.delivery.execution import Entry
    from progresswidget.delivery.receiver import Parcel
    from progresswidget.export.parts import Part
    from progresswidget.export.progress import Progress

BLOCK: Final = 2**20
ANEW: Final = 2
"""Times that a copy may turn out to be another file before the disk is to blame."""
COPY: Final = "copy"
DIGITS: Final = "digits"
"""What is noted of a copy: device and inode, and the digits in its name."""
BEGUN: Final = "begun"
"""What is noted before a copy gets another name: the digits of all but the first one."""


@dataclass(frozen=True, slots=True)
class FolderReceiver:
    """A name in a folder.

    Parameters
    ----------
    path
        The absolute path that the file is to have.
    overwrite
        Whether a file of that name may be replaced.
    """

    path: Path
    overwrite: bool

    @property
    def target(self) -> str:
        """What a delivery to it is known by."""
        return str(self.path)

    def send(self, parcel: Parcel, entry: Entry, progress: Progress) -> dict[str, Any]:
        """Copy the file beside its name, and look whether it is the same; see `Receiver`."""
        check(self.path, overwrite=self.overwrite)
        try:
            digits = self._begin(entry)
            with contextlib.closing(named_part(self.path, digits)) as part:
                for _ in range(ANEW):
                    self._copy(parcel, part, progress)
                    progress.phase = "verifying"
                    if sha256_of(part.path, progress.checkpoint) == parcel.sha256:
                        part.sync()
                        stat = os.fstat(part.descriptor)
                        return {DIGITS: digits, COPY: [stat.st_dev, stat.st_ino]}
                    part.truncate(0)
        except OSError as error:
            raise explain(error, self.path) from error
        raise explain(OSError(errno.EIO, "the copy differs from what was written"), self.path)

    def publish(self, parcel: Parcel, entry: Entry, progress: Progress) -> dict[str, Any]:
        """Rename the copy; see `Receiver`."""
        progress.phase = "finishing"
        found = self.stands(parcel, entry)
        if found is not None:
            return found
        sent = entry.before["send"]
        lost = LostError(f"The copy beside {self.path} was removed.", "Run it again.")
        try:
            with contextlib.closing(named_part(self.path, sent[DIGITS], create=False)) as part:
                # A new file may have the inode of the one that was removed.
                if _identity(os.fstat(part.descriptor)) != [*sent[COPY], parcel.size]:
                    part.remove()
                    raise lost
                part.publish(overwrite=self.overwrite)
        except FileNotFoundError as error:
            raise lost from error
        except ProgressWidgetError:
            raise
        except OSError as error:
            raise explain(error, self.path) from error
        return {"url": self.path.as_uri()}

    def stands(self, parcel: Parcel, entry: Entry) -> dict[str, Any] | None:
        """Look whether the name is that of the copy; see `Receiver`."""
        sent = entry.before["send"]
        stat = existing(self.path)
        if stat is None or _identity(stat) != [*sent[COPY], parcel.size]:
            return None
        # Where nothing may be replaced it has both names for a moment.
        part_path(self.path, sent[DIGITS]).unlink(missing_ok=True)
        return {"url": self.path.as_uri()}

    def drop(self, parcel: Parcel, entry: Entry) -> None:
        """Remove the copy; see `Receiver`."""
        for digits in _digits(entry):
            part_path(self.path, digits).unlink(missing_ok=True)

    def _begin(self, entry: Entry) -> str:
        """Return the digits in the name of the copy that is begun, or gone on with."""
        digits = _digits(entry)[-1]
        if entry.alone:
            return digits
        # Whoever has begun a copy may only sleep, and would go on writing into it, also when it is
        # somebody's file.
        old, digits = part_path(self.path, digits), secrets.token_hex(RANDOM // 2)
        entry.keep({BEGUN: [*_digits(entry)[1:], digits]})
        with (
            contextlib.suppress(FileNotFoundError),
            old.open("rb", buffering=0) as file,
            contextlib.closing(named_part(self.path, digits)) as part,
        ):
            copy_prefix(file.fileno(), part.descriptor, os.fstat(file.fileno()).st_size)
            discard(old)
        return digits

    def _copy(self, parcel: Parcel, part: Part, progress: Progress) -> None:
        """Copy what is missing; what is there already the digest of the whole is to confirm."""
        progress.phase = "sending"
        offset = min(os.fstat(part.descriptor).st_size, parcel.size)
        part.truncate(offset)
        progress.rows = offset
        with parcel.path.open("rb", buffering=0) as file:
            while offset < parcel.size:
                progress.checkpoint()
                block = memoryview(os.pread(file.fileno(), BLOCK, offset))
                if not block:
                    break  # the digest will not be right
                while block:
                    written = os.pwrite(part.descriptor, block, offset)
                    block, offset = block[written:], offset + written
                progress.rows = offset


def _digits(entry: Entry) -> list[str]:
    """Return the digits in the names of all copies that may be there; the last one counts."""
    return [entry.key[:RANDOM], *entry.note.get(BEGUN, ())]


def _identity(stat: os.stat_result) -> list[int]:
    return [stat.st_dev, stat.st_ino, stat.st_size]
