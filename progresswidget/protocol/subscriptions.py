"""The messages of a browser, to the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from progresswidget.protocol.decoding import MalformedError, is_count, is_task_id, json_object
from progresswidget.protocol.limits import MAX_EPOCH, MAX_SUBSCRIPTIONS


@dataclass(frozen=True, slots=True)
class Position:
    """The last event that a client has applied for a task; `epoch` is None before the first."""

    task_id: str
    epoch: str | None = None
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Ask for the state of tasks now, and for every change from then on."""

    id: int
    positions: tuple[Position, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Ask for silence about tasks."""

    id: int
    task_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ping:
    """A sign of life from a page, which cannot see the protocol's own pings."""

    id: int | None


ClientMessage: TypeAlias = Subscribe | Unsubscribe | Ping


def decode_client_message(text: str | bytes) -> ClientMessage:
    """Read one frame of a browser.

    Raises
    ------
    MalformedError
        With the code ``malformed``, ``unknown-type`` or ``too-many``; `re` names the message
        where its id could be read.
    """
    if isinstance(text, bytes):
        raise MalformedError("malformed", "frames are text, not binary")
    message = json_object(text)
    identity = message.get("id")
    if identity is not None and not is_count(identity):
        raise MalformedError("malformed", "id must be a whole number from 0 on")
    kind = message.get("type")
    if kind == "ping":
        return Ping(identity)
    if kind not in ("subscribe", "unsubscribe"):  # no set: `kind` may be a list
        known = "type must be subscribe, unsubscribe or ping"
        raise MalformedError("unknown-type", known, identity)
    if identity is None:
        raise MalformedError("malformed", f"{kind} needs an id")
    data = message.get("data")
    tasks = data.get("tasks") if isinstance(data, dict) else None
    if not isinstance(tasks, list) or not tasks:
        raise MalformedError("malformed", "data.tasks must be a list of tasks", identity)
    if len(tasks) > MAX_SUBSCRIPTIONS:
        limit = f"at most {MAX_SUBSCRIPTIONS} tasks in one message"
        raise MalformedError("too-many", limit, identity)
    if kind == "subscribe":
        return Subscribe(identity, tuple(_position(task, identity) for task in tasks))
    if not all(is_task_id(task) for task in tasks):
        raise MalformedError("malformed", "data.tasks must be a list of task ids", identity)
    return Unsubscribe(identity, tuple(tasks))


def _position(task: object, identity: int) -> Position:
    if isinstance(task, dict) and is_task_id(task.get("taskId")):
        epoch, seq = task.get("epoch"), task.get("seq", 0)
        named = epoch is None or (isinstance(epoch, str) and len(epoch) <= MAX_EPOCH)
        if named and is_count(seq):
            return Position(task["taskId"], epoch, seq)
    raise MalformedError(
        "malformed", "a task is {taskId: 32 hexadecimal digits, epoch?, seq?}", identity
    )
