"""How a download follows a file that is still being written. Pure: what is known, what to do.

The bytes that a kernel reports as standing will not change in its run, so they can be sent at once;
and as a kernel only appends, so can those that are in the file by now, where that can be seen.
Whether they were the whole file is known only at the end: then the last chunk is sent, or else the
connection is cut, and every client sees that it has no file. The end is when the file has its name
and the kernel has told a digest of all that it wrote. That is quick; the SHA-256 may come later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from progresswidget.protocol import SHA_256, TERMINAL, XXH128

if TYPE_CHECKING:
    from jupyter_server_ext.model.job import Job
    from progresswidget.protocol import Fingerprint, Part

Source: TypeAlias = tuple[int, int]
"""Device and inode of a file."""

_WITHOUT_A_FILE: Final = TERMINAL - {"done"}
_SOON: Final = 0.01
"""Seconds between two looks at a file that grows: what is left after its end is sent as soon."""
_SELDOM: Final = 0.2
"""The same for one that hardly does. Kernels report as often."""
_MUCH: Final = 2**20
"""Bytes that are worth to look soon."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do next.

    Parameters
    ----------
    kind
        ``open`` the file that the job names now, ``send`` what stands, ``wait`` for news of the
        job, ``finish`` after a last check, or ``cut``.
    end
        Where the bytes end that can be sent.
    reason
        For the log, why it is cut.
    """

    kind: Literal["open", "send", "wait", "finish", "cut"]
    end: int = 0
    reason: str = ""


def next_step(
    job: Job | None,
    generation: int,
    source: Source | None,
    sent: int,
    *,
    told: int = 0,
    there: int = 0,
) -> Step:
    """Return what a follower does next.

    Parameters
    ----------
    job
        The newest state, or None if the job was removed.
    generation
        The one that was asked for.
    source
        The file that is open, or None where none is yet.
    sent
        The bytes that the client got.
    told
        The most bytes that the kernel has said to stand until now.
    there
        The bytes that are seen in the file; 0 where they cannot be.
    """
    if job is None:
        return Step("cut", reason="the job was removed")
    if job.report["generation"] != generation or job.status in _WITHOUT_A_FILE:
        return Step("cut", reason=f"the export is {job.status}, or a newer one began")
    file = file_of(job)
    if source is None:
        return Step("wait" if file is None else "open")
    grows = is_growing(job)
    # While it grows the client may have more than was told, and never less than it stands.
    if file is None or source != (file.device, file.inode) or file.size < (told if grows else sent):
        return Step("cut", reason="what was sent is not the beginning of the file any more")
    end = max(file.size, there) if grows else file.size
    if end > sent:
        return Step("send", end)
    return Step("wait") if grows else Step("finish")


def is_growing(job: Job) -> bool:
    """Say whether a job may still write to its file."""
    return job.active and job.written is None


def file_of(job: Job) -> Part | Fingerprint | None:
    """Return the file that a job is writing, or has written."""
    if not job.active:
        return job.fingerprint
    return job.part if job.written is None else job.written.fingerprint


def algorithm_of(job: Job) -> str:
    """Return by which digest it will be known whether what was sent is the file."""
    if job.written is not None:
        return XXH128
    return SHA_256 if job.part is None else job.part.digest


class Pace:
    """When to look whether a file has grown."""

    def __init__(self) -> None:
        self._delay, self._size = _SOON, 0

    def next(self, size: int) -> float:
        """Return the seconds until the next look, of a file that has `size` bytes now."""
        grown, self._size = size - self._size, size
        self._delay = _SOON if grown >= _MUCH else min(2 * self._delay, _SELDOM)
        return self._delay
