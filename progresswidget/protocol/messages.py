"""The messages of the server, to a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from progresswidget.protocol.decoding import encode
from progresswidget.protocol.words import TERMINAL, Json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from progresswidget.protocol.subscriptions import Target


def hello(*, session: str, heartbeat: float, timeout: float, timestamp: int) -> Json:
    """Build the first message of a connection; `heartbeat` and `timeout` are in seconds."""
    data = {"session": session, "heartbeat": heartbeat, "timeout": timeout}
    return {"type": "hello", "timestamp": timestamp, "data": data}


def subscribed(
    *,
    re: int | None,
    task_id: str,
    epoch: str,
    seq: int,
    timestamp: int,
    snapshot: Json | None,
    events: Sequence[Json] = (),
) -> Json:
    """Build the answer for one task of a `subscribe`, or a snapshot that nobody asked for.

    Parameters
    ----------
    re
        Id of the message that is answered. None where the server begins anew by itself: what the
        client knows of the task is then worth nothing.
    snapshot
        The whole state at `seq`, or None where the client goes on from its own position.
    events
        What it has missed since, each as `event` builds it: without a gap, and up to `seq`.
    """
    data: Json = {"taskId": task_id, "recovered": snapshot is None}
    if snapshot is None:
        data["events"] = list(events)
    else:
        data["snapshot"] = snapshot
    return _subscribed(re, epoch, seq, timestamp) | {"data": data}


def encode_subscribed(
    *,
    re: int | None,
    task_id: str,
    epoch: str,
    seq: int,
    timestamp: int,
    snapshot: bytes | None,
    events: Sequence[bytes] = (),
) -> bytes:
    """Return the bytes of `subscribed`, of parts that are encoded already.

    Parameters
    ----------
    snapshot, events
        As for `subscribed`, each as UTF-8 JSON.
    """
    if snapshot is None:
        body = b'"recovered":true,"events":[' + b",".join(events) + b"]}"
    else:
        body = b'"recovered":false,"snapshot":' + snapshot + b"}"
    data = encode({"taskId": task_id}).encode()[:-1] + b"," + body
    return _with_data(_subscribed(re, epoch, seq, timestamp), data)


def watching(*, re: int, target: Target, tasks: int, timestamp: int) -> Json:
    """Build the answer to a `subscribe` to a target.

    Parameters
    ----------
    tasks
        How many tasks belong to it now that the client was not told of: a `subscribed` for each
        follows. One that comes later is told of without being asked for.
    """
    data = target.to_json() | {"tasks": tasks}
    return {"type": "watching", "re": re, "timestamp": timestamp, "data": data}


def event(*, epoch: str, first: int, seq: int, timestamp: int, data: Json) -> Json:
    """Build the news of a job: `data` is its whole public state after event `seq`.

    The type is ``task_complete`` for a terminal status and ``progress_update`` for any other;
    `first` to `seq` are the events that this message stands for.
    """
    return _event(epoch, first, seq, timestamp, data["status"]) | {"data": data}


def encode_event(
    *, epoch: str, first: int, seq: int, timestamp: int, status: str, data: bytes
) -> bytes:
    """Return the bytes of `event`, of a state of that `status` which is encoded already."""
    return _with_data(_event(epoch, first, seq, timestamp, status), data)


def _subscribed(re: int | None, epoch: str, seq: int, timestamp: int) -> Json:
    return {"type": "subscribed", "re": re, "timestamp": timestamp, "epoch": epoch, "seq": seq}


def _event(epoch: str, first: int, seq: int, timestamp: int, status: str) -> Json:
    kind = "task_complete" if status in TERMINAL else "progress_update"
    return {"type": kind, "timestamp": timestamp, "epoch": epoch, "from": first, "seq": seq}


def _with_data(envelope: Json, data: bytes) -> bytes:
    return encode(envelope).encode()[:-1] + b',"data":' + data + b"}"


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
