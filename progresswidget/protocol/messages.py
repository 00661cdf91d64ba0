"""The messages of the server, to a browser."""

from __future__ import annotations

from progresswidget.protocol.words import TERMINAL, Json


def hello(*, session: str, heartbeat: float, timestamp: int) -> Json:
    """Build the first message of a connection; `heartbeat` is in seconds."""
    data = {"session": session, "heartbeat": heartbeat}
    return {"type": "hello", "timestamp": timestamp, "data": data}


def subscribed(
    *,
    re: int,
    task_id: str,
    epoch: str,
    seq: int,
    timestamp: int,
    snapshot: Json | None,
) -> Json:
    """Build the answer for one task of a `subscribe`.

    Parameters
    ----------
    snapshot
        The whole state at `seq`, or None where the client's own position is that state already.
    """
    data: Json = {"taskId": task_id, "recovered": snapshot is None}
    if snapshot is None:
        data["events"] = []
    else:
        data["snapshot"] = snapshot
    return {
        "type": "subscribed",
        "re": re,
        "timestamp": timestamp,
        "epoch": epoch,
        "seq": seq,
        "data": data,
    }


def event(*, epoch: str, first: int, seq: int, timestamp: int, data: Json) -> Json:
    """Build the news of a job: `data` is its whole public state after event `seq`.

    The type is ``task_complete`` for a terminal status and ``progress_update`` for any other;
    `first` to `seq` are the events that this message stands for.
    """
    kind = "task_complete" if data["status"] in TERMINAL else "progress_update"
    return {
        "type": kind,
        "timestamp": timestamp,
        "epoch": epoch,
        "from": first,
        "seq": seq,
        "data": data,
    }


def removed(*, task_id: str, timestamp: int) -> Json:
    """Build the news that a job's record was deleted."""
    return {"type": "task_removed", "timestamp": timestamp, "data": {"taskId": task_id}}


def transfer_update(*, data: Json, timestamp: int) -> Json:
    """Build the news of a transfer: how far one file is for one user.

    Parameters
    ----------
    data
        The whole state: ``userId``, ``fileId``, ``offset`` and ``timestamp`` at least, and
        ``taskId`` where the file is a job's. Values are absolute, and the newest is enough.
    """
    return {"type": "transfer_update", "timestamp": timestamp, "data": data}


def pong(*, re: int | None, timestamp: int) -> Json:
    """Build the answer to a `Ping`."""
    return {"type": "pong", "re": re, "timestamp": timestamp, "data": {}}


def error(
    *,
    code: str,
    message: str,
    timestamp: int,
    re: int | None = None,
    task_id: str | None = None,
    temporary: bool = False,
) -> Json:
    """Build the message that says why something was not done.

    Parameters
    ----------
    temporary
        Whether the same message may succeed later.
    """
    data: Json = {"code": code, "message": message, "temporary": temporary}
    if task_id is not None:
        data["taskId"] = task_id
    return {"type": "error", "re": re, "timestamp": timestamp, "data": data}
