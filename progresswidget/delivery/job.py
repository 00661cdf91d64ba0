"""`deliver`: a frame to another place, with the bar, the buttons and the record of an export."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from progresswidget.delivery.folder import FolderReceiver
from progresswidget.delivery.server import ServerReceiver
from progresswidget.delivery.work import Delivery
from progresswidget.errors import OptionError
from progresswidget.export.destination import check, locate
from progresswidget.export.options import require_flag
from progresswidget.transfer.aim import take_aim
from progresswidget.transfer.job import find_server, started
from progresswidget.transfer.outcome import FileKind
from progresswidget.transfer.retry import Clock
from progresswidget.transfer.session import Session

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from progresswidget.delivery.receiver import Receiver
    from progresswidget.group import Group
    from progresswidget.transfer.job import TransferJob


def deliver(
    frame: object,
    path: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    overwrite: bool = True,
    background: bool = False,
    format: str | None = None,
    encrypt_to: str | Sequence[str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 30.0,
    parent: Group | None = None,
    **options: Any,
) -> TransferJob:
    """Write a frame to a file at another place: all of it, once, or nothing.

    The file is written here, sent, and gets its name there in the moment in which it is complete
    and checked. Each step is noted on the disk before and after it is done. When the kernel is
    killed anywhere in between, the same call goes on from there: nothing is written, sent or
    published twice. What cannot succeed is undone, there and here, and so is what was cancelled.
    Here nothing stays in either case; `export` is for a file that you want to have here too.

    Parameters
    ----------
    frame, format, encrypt_to, **options
        As `export` has them.
    path
        The name of the file; its ending chooses the format. Until it is delivered, a hidden folder
        beside this path holds it.
    to
        Where it goes: text is an address as `upload` has it, of a server that speaks tus 1.0.0, or
        ``contents/data/`` on the notebook server; a `pathlib.Path` is a folder of this machine,
        such as a share, or the file in it.
    overwrite
        Replace a file of that name, where the server asks.
    background
        Return at once, and let the delivery go on while other cells run.
    headers
        What to send along, for instance ``{"Authorization": "Bearer …"}``. It goes to the origin of
        the address only.
    timeout
        Seconds without a byte after which a connection is given up and opened anew.
    parent
        The group that it belongs to, where that is not the one of the `with` block around it.

    Returns
    -------
    The job, which counts bytes. Without `background` it is done, and its result tells the `url`.

    Raises
    ------
    UnsupportedSourceError, UnsupportedFormatError, OptionError, ColumnError, DestinationError
        Before anything is written, if it can be seen that the delivery cannot succeed.
    SourceError, TransferError
        If the frame fails while it is read, or the server cannot be reached: the next run goes on.
    TransferRefusedError
        If the server does not take it: it is undone.
    ExportCancelledError
        If it was cancelled: it is undone.
    ExportInterrupted
        If the cell was interrupted. Run it again, and it goes on.
    """
    require_flag("overwrite", overwrite)
    require_flag("background", background)
    if isinstance(to, str):
        _refuse_folder(to)
        receiver: Receiver = _server(Path(path).name, to, headers, timeout, overwrite=overwrite)
    else:
        receiver = _folder(Path(path).name, Path(to), overwrite=overwrite)
    work = Delivery(frame, path, receiver, format=format, encrypt_to=encrypt_to, options=options)
    return started(work, background=background, parent=parent)


def _refuse_folder(to: str) -> None:
    """Refuse a path that was given as text: the server would be asked for it."""
    if to.startswith(("/", "./", "../", "~")) and Path(to).expanduser().is_dir():
        message = f"{to!r} is a folder of this machine, and a text is an address."
        raise OptionError(message, f"Give Path({to!r}) for the folder.")


def _server(
    name: str, to: str, headers: Mapping[str, str] | None, timeout: float, *, overwrite: bool
) -> ServerReceiver:
    def open_session() -> Session:
        return Session(find_server=find_server, headers=headers, timeout=timeout)

    with contextlib.closing(open_session()) as session:
        aim = take_aim(to, "", name, session, find_server())
    kind = FileKind.of(Path(name)).media_type
    return ServerReceiver(aim, kind, overwrite, open_session, Clock())


def _folder(name: str, to: Path, *, overwrite: bool) -> FolderReceiver:
    path = locate(to / name if to.expanduser().is_dir() else to)
    check(path, overwrite=overwrite)
    return FolderReceiver(path, overwrite)
