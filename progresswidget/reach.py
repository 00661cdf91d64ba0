"""How the file of a job gets to the server: by the disk that both see, or sent while it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget.errors import ExportCancelledError
from progresswidget.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from progresswidget.export.progress import Progress
    from progresswidget.export.result import Result
    from progresswidget.protocol import Json
    from progresswidget.sending import Sender


class Reach:
    """The way of one file to the server.

    Parameters
    ----------
    task_id
        The job.
    path
        Its file.
    progress
        How far it is.
    overwrite
        Whether a file may be replaced on the server, too.
    """

    def __init__(self, task_id: str, path: Path, progress: Progress, *, overwrite: bool) -> None:
        self._task_id, self._path, self._progress = task_id, path, progress
        self._overwrite = overwrite
        self._probe: Probe | None = None
        self._sender: Sender | None = None

    def probe(self) -> None:
        """Leave a file by which the server sees whether it sees the disk."""
        self._probe = Probe.create(self._path)

    @property
    def sends(self) -> bool:
        """Whether the file is sent, for it lies on another disk than the server's."""
        return self._sender is not None

    def to_json(self) -> Json | None:
        """Return what the server is told to look for, as long as it has not said what it saw."""
        return None if self._probe is None else self._probe.to_json()

    def answered(self, shared: object, *, over: bool) -> None:
        """Take the server's word on whether it sees what is written here; the first one counts.

        Parameters
        ----------
        shared
            Its word, where it has said one.
        over
            Whether the job has ended meanwhile.
        """
        probe = self._probe
        if probe is None or not isinstance(shared, bool) or over:
            return
        self._probe = None
        probe.remove()
        if not shared:
            from progresswidget.sending import Sender  # it brings an HTTP client along

            sender = Sender(self._task_id, self._path, self._progress, overwrite=self._overwrite)
            self._sender = sender
            sender.start()

    def finish(self, outcome: Result, checkpoint: Callable[[], None]) -> None:
        """Wait until the server has the whole file, where it is sent; as `Sender.finish`."""
        if self._sender is not None:
            self._progress.phase = "sending"
            self._sender.finish(outcome, checkpoint)

    def stop(self, error: BaseException | None) -> None:
        """End: whatever was sent the server keeps for a later run, unless that was given up.

        Parameters
        ----------
        error
            What ended the job.
        """
        if self._probe is not None:
            self._probe.remove()
        if self._sender is not None:
            final = isinstance(error, ExportCancelledError) and error.final
            self._sender.stop(abandon=final)
