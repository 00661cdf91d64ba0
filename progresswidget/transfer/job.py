"""Transfers as a notebook has them: with the bar, the buttons and the record of an export."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from progresswidget.client import Endpoint
from progresswidget.errors import TransferStoppedError
from progresswidget.export.options import require_flag
from progresswidget.job import Job
from progresswidget.transfer.session import Server
from progresswidget.transfer.token import users_token

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from progresswidget.group import Group
    from progresswidget.transfer.outcome import Transferred
    from progresswidget.work import Work


def download(
    url: str,
    path: str | os.PathLike[str] | None = None,
    *,
    connections: int = 4,
    sha256: str | None = None,
    overwrite: bool = True,
    background: bool = False,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    parent: Group | None = None,
) -> TransferJob:
    """Fetch a file, with a live bar where there is someone to see it.

    The file appears under its name only when it is complete and, where its digest is known, right.
    A download that was cut, stopped or killed goes on where it was when the same call is made
    again, as long as the server still has the same version: bytes of two versions are never
    joined. A file that is there already and has not changed on the server is not fetched again.

    Parameters
    ----------
    url
        The address; or, on the notebook server, a path such as the `url` of a job or
        ``contents/data/a.csv``. A job's file needs nothing else. Any other is opened as the user
        who runs the server, if this process may know the token: it does on the server's machine
        and under a hub. Where it does not, send the token along in `headers`.
    path
        The file, or a folder; by default the present one. In a folder the file is called as the
        server says, or else by the end of the address.
    connections
        Parts of the file that are fetched at the same time, where the server gives parts.
    sha256
        What the SHA-256 of the file must be, 64 hexadecimal digits.
    overwrite
        Replace a file that is there already, once the new one is complete.
    background
        Return at once, and let the download go on while other cells run.
    headers
        What to send along, for instance ``{"Authorization": "Bearer …"}``. It goes to the origin of
        the address only, wherever that redirects to.
    timeout
        Seconds without a byte after which a connection is given up and opened anew.
    parent
        The group that it belongs to, where that is not the one of the `with` block around it.

    Returns
    -------
    The job. Without `background` it is done.

    Raises
    ------
    OptionError, DestinationError
        Before anything is asked for, if it can be seen that the file cannot be saved.
    TransferError
        If it cannot be had, also not after five tries without a byte of progress.
    ExportCancelledError
        If it was cancelled. No file is left behind.
    ExportInterrupted
        If the cell was interrupted. Run it again, and it goes on.
    """
    from progresswidget.transfer.download import Download

    work = Download(
        url,
        path,
        connections=connections,
        sha256=sha256,
        overwrite=overwrite,
        headers=headers,
        timeout=timeout,
        find_server=find_server,
    )
    return started(work, background=background, parent=parent)


def upload(
    path: str | os.PathLike[str],
    url: str = "uploads/",
    *,
    name: str | None = None,
    overwrite: bool = True,
    background: bool = False,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    parent: Group | None = None,
) -> TransferJob:
    """Send a file, with a live bar where there is someone to see it.

    Where the server speaks tus 1.0.0, as the notebook server does, an upload that was cut, stopped
    or killed goes on where it was when the same call is made again, and every part is checked by a
    digest. Any other server gets the file by PUT, in one piece.

    Parameters
    ----------
    path
        The file.
    url
        Where a server takes uploads, or the address that the file is to have; one that ends with a
        slash gets the name of the file. By default the notebook server; there
        ``contents/data/a.csv`` is a file and ``contents/data/`` a folder below its root.
    name
        What the file is called there; by default as here.
    overwrite
        Replace a file of that name, where the server asks.
    background
        Return at once, and let the upload go on while other cells run.
    headers
        What to send along, for instance ``{"Authorization": "Bearer …"}``. It goes to the origin of
        the address only.
    timeout
        Seconds without a byte after which a connection is given up and opened anew.
    parent
        The group that it belongs to, where that is not the one of the `with` block around it.

    Returns
    -------
    The job. Without `background` it is done.

    Raises
    ------
    OptionError, SourceError
        Before anything is sent, if it can be seen that the file cannot be.
    SourceChangedError
        If the file changes meanwhile.
    TransferError
        If the server does not take it, also not after five tries without a byte of progress.
    ExportCancelledError
        If it was cancelled. What was sent is dropped.
    ExportInterrupted
        If the cell was interrupted. Run it again, and it goes on.
    """
    from progresswidget.transfer.upload import Upload

    work = Upload(
        path,
        url,
        name=name,
        overwrite=overwrite,
        headers=headers,
        timeout=timeout,
        find_server=find_server,
    )
    return started(work, background=background, parent=parent)


def find_server() -> Server | None:
    """Find the notebook server of this process."""
    endpoint = Endpoint.find()
    if endpoint is None:
        return None
    token = users_token(endpoint.url, endpoint.pid)
    return Server(endpoint.url, endpoint.secret, endpoint.certfile, token)


def started(work: Work, *, background: bool, parent: Group | None = None) -> TransferJob:
    """Start a transfer, and wait for it unless it is to run in the background."""
    require_flag("background", background)
    job = TransferJob(work, background=background, parent=parent)
    if background:
        job._start()  # noqa: SLF001 - a job is started where it is made
    else:
        job._block()  # noqa: SLF001
    return job


class TransferJob(Job):
    """A download or an upload that runs or ran. What it counts as `rows` are bytes."""

    _stopped_kind = TransferStoppedError

    def result(self, timeout: float | None = None) -> Transferred:
        """Wait for the end and return what was moved, as `Job.result` does."""
        return cast("Transferred", super().result(timeout))

    def __repr__(self) -> str:
        return f"TransferJob({self._kind}, path={str(self._path)!r}, state={self._state!r})"
