"""The messages of a browser, to the server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from progresswidget.protocol.decoding import (
    TASK_ID,
    MalformedError,
    is_count,
    is_task_id,
    json_object,
)
from progresswidget.protocol.fields import Field, Fields
from progresswidget.protocol.limits import MAX_EPOCH, MAX_PATH, MAX_SUBSCRIPTIONS

if TYPE_CHECKING:
    from progresswidget.protocol.words import Json


TARGET_FIELDS: Final[Fields] = {
    "notebook": Field("text", "The tasks of a notebook: its path.", MAX_PATH, pattern=r"[\s\S]+"),
    "parent": Field("text", "The parts of a task: its id.", 32, pattern=TASK_ID),
    "user": Field("flag", "One's own tasks.", only=True),
    "all": Field("flag", "All tasks that one may see.", only=True),
}
_WANTED: Final = ("tasks", *TARGET_FIELDS)


@dataclass(frozen=True, slots=True)
class Position:
    """The last event that a client has applied for a task; `epoch` is None before the first."""

    task_id: str
    epoch: str | None = None
    seq: int = 0


@dataclass(frozen=True, slots=True)
class Target:
    """What tasks have in common: those to come belong to it as well.

    Parameters
    ----------
    notebook
        The tasks of a notebook, by its path below the server's root.
    own
        The user's own tasks. With none of these it is all that the user may see.
    parent
        The parts of a task, by its id.
    """

    notebook: str | None = None
    own: bool = False
    parent: str | None = None

    def fits(self, record: Json, user: str) -> bool:
        """Say whether the public record of a task belongs to it, seen from a user.

        A task of which nobody says whose it is belongs to everyone who may see it.
        """
        if self.notebook is not None:
            return bool(record.get("notebook") == self.notebook)
        if self.parent is not None:
            return bool(record.get("parent") == self.parent)
        return not self.own or record.get("userId") in {None, user}

    def to_json(self) -> Json:
        """Return the wire form."""
        if self.notebook is not None:
            return {"notebook": self.notebook}
        if self.parent is not None:
            return {"parent": self.parent}
        return {"user": True} if self.own else {"all": True}


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Ask for the state of tasks now, and for every change from then on.

    Parameters
    ----------
    positions
        The tasks that are named.
    target
        Or what they have in common; who was away names those first that it knows.
    """

    id: int
    positions: tuple[Position, ...]
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Ask for silence about tasks, or about those of a target."""

    id: int
    task_ids: tuple[str, ...]
    target: Target | None = None


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
    wanted, *more = [name for name in _WANTED if isinstance(data, dict) and name in data] or [""]
    if not isinstance(data, dict) or not wanted or more:
        raise MalformedError("malformed", f"data has one of {', '.join(_WANTED)}", identity)
    if wanted == "tasks":
        return _named(kind, identity, data[wanted])
    target = _target(identity, wanted, data[wanted])
    if kind == "subscribe":
        return Subscribe(identity, (), target)
    return Unsubscribe(identity, (), target)


def _named(kind: str, identity: int, tasks: object) -> Subscribe | Unsubscribe:
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


def _target(identity: int, wanted: str, value: object) -> Target:
    try:
        read = TARGET_FIELDS[wanted].read(f"data.{wanted}", value)
    except MalformedError as error:
        raise MalformedError(error.code, error.message, identity) from None
    if wanted in {"notebook", "parent"}:
        return Target(**{wanted: read})
    return Target(own=wanted == "user")


def _position(task: object, identity: int) -> Position:
    if isinstance(task, dict) and is_task_id(task.get("taskId")):
        epoch, seq = task.get("epoch"), task.get("seq", 0)
        named = epoch is None or (isinstance(epoch, str) and len(epoch) <= MAX_EPOCH)
        if named and is_count(seq):
            return Position(task["taskId"], epoch, seq)
    raise MalformedError(
        "malformed", "a task is {taskId: 32 hexadecimal digits, epoch?, seq?}", identity
    )
