"""How a download follows a file that is still being written. Pure: what is known, what to do.

The bytes that a kernel reports as standing will not change in its run, so they can be sent at once.
Whether they were the whole file is known only at the end: then the last chunk is sent, or else the
connection is cut, and every client sees that it has no file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from progresswidget.protocol import TERMINAL

if TYPE_CHECKING:
    from jupyter_server_ext.model.job import Job
    from progresswidget.protocol import Fingerprint, Part

Source: TypeAlias = tuple[int, int]
"""Device and inode of a file."""

_WITHOUT_A_FILE: Final = TERMINAL - {"done"}


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


def next_step(job: Job | None, generation: int, source: Source | None, sent: int) -> Step:
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
    """
    if job is None:
        return Step("cut", reason="the job was removed")
    if job.report["generation"] != generation or job.status in _WITHOUT_A_FILE:
        return Step("cut", reason=f"the export is {job.status}, or a newer one began")
    file = file_of(job)
    if source is None:
        return Step("wait" if file is None else "open")
    if file is None or source != (file.device, file.inode) or file.size < sent:
        return Step("cut", reason="what was sent is not the beginning of the file any more")
    if file.size > sent:
        return Step("send", file.size)
    return Step("wait") if job.active else Step("finish")


def file_of(job: Job) -> Part | Fingerprint | None:
    """Return the file that a job is writing, or has written."""
    return job.part if job.active else job.fingerprint
