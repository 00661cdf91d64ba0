"""Every message of the live channel: one row each, of which the schemas are made.

A type with two forms has two rows. A reader ignores types and fields that it does not know, and so
do the schemas: what is here may grow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from progresswidget.protocol.fields import Field, Fields
from progresswidget.protocol.limits import MAX_EPOCH, MAX_SUBSCRIPTIONS
from progresswidget.protocol.reports import RECORD_FIELDS, TASK_ID_FIELD
from progresswidget.protocol.subscriptions import TARGET_FIELDS
from progresswidget.protocol.transfers import TRANSFER_FIELDS
from progresswidget.protocol.words import ACTIVE, TERMINAL


@dataclass(frozen=True, slots=True)
class Message:
    """One form of one message.

    Parameters
    ----------
    type
        What its field ``type`` says.
    about
        When it is sent.
    envelope
        What is beside ``type`` and ``data``.
    data
        What is in ``data``; None where it has no meaning.
    """

    type: str
    about: str
    envelope: Fields
    data: Fields | None = None


_TIMESTAMP: Final = Field("count", "When it was sent, in milliseconds since 1970.")
_ID: Final = Field("count", "Chosen by the browser; the answer names it as re.")
_RE: Final = Field(
    "count", "The id of the message that is answered; null where none is.", nullable=True
)
_EPOCH: Final = Field("text", "In which history seq counts.", MAX_EPOCH)
_SEQ: Final = Field("count", "The newest event of the task that is in here.")
_STATED: Final[Fields] = {"timestamp": _TIMESTAMP, "epoch": _EPOCH, "seq": _SEQ}
_EVENT: Final[Fields] = {
    "timestamp": _TIMESTAMP,
    "epoch": _EPOCH,
    "from": Field("count", "The first event that it stands for, at most seq.", least=1),
    "seq": replace(_SEQ, least=1),
}


def _status(words: frozenset[str]) -> Fields:
    return {**RECORD_FIELDS, "status": replace(RECORD_FIELDS["status"], words=words)}


def _of_targets(
    name: str, type_: str, about: str, envelope: Fields, more: Fields | None = None
) -> dict[str, Message]:
    return {
        f"{name}{wanted.title()}": Message(type_, about, envelope, {wanted: field, **(more or {})})
        for wanted, field in TARGET_FIELDS.items()
    }


POSITION_FIELDS: Final[Fields] = {
    "taskId": TASK_ID_FIELD,
    "epoch": replace(_EPOCH, nullable=True, missing=None),
    "seq": Field("count", "The last event that was applied.", missing=0),
}

SERVER_MESSAGES: Final[dict[str, Message]] = {
    "Hello": Message(
        "hello",
        "The first of a connection.",
        {"timestamp": _TIMESTAMP},
        {
            "session": Field("text", "Names the connection, for logs."),
            "heartbeat": Field(
                "number", "Seconds of silence after which a sign of life is due.", least=0.001
            ),
            "timeout": Field(
                "number",
                "Seconds of silence after which the peer is gone; null is twice the heartbeat.",
                least=0.001,
                nullable=True,
                missing=None,
            ),
        },
    ),
    "Recovered": Message(
        "subscribed",
        "Answers for one task of a subscribe whose position is known: what was missed since.",
        {"re": replace(_RE, missing=None), **_STATED},
        {
            "taskId": TASK_ID_FIELD,
            "recovered": Field("flag", "The client goes on from its own position.", only=True),
            "events": Field(
                "list",
                "What was missed, without a gap and up to seq.",
                refers=("ProgressUpdate", "TaskComplete"),
            ),
        },
    ),
    "Snapshot": Message(
        "subscribed",
        "Answers for one task of a subscribe with its whole state. Without re nobody asked: the "
        "server has begun another history, and what the client knows of the task is void.",
        {"re": replace(_RE, missing=None), **_STATED},
        {
            "taskId": TASK_ID_FIELD,
            "recovered": Field("flag", "The client begins anew.", only=False),
            "snapshot": Field("object", "The whole state at seq.", fields=RECORD_FIELDS),
        },
    ),
    **_of_targets(
        "Watching",
        "watching",
        "Answers a subscribe to a target; one subscribed for each task that was counted follows. "
        "A task that comes later is told of by a Snapshot without re.",
        {"re": _RE, "timestamp": _TIMESTAMP},
        {"tasks": Field("count", "The tasks of it that the browser was not told of.")},
    ),
    "ProgressUpdate": Message(
        "progress_update",
        "A job that goes on has changed. Values are absolute: one may stand for several events.",
        _EVENT,
        _status(ACTIVE),
    ),
    "TaskComplete": Message(
        "task_complete",
        "A job has ended, well or not. Never left out, and never joined with another event.",
        _EVENT,
        _status(TERMINAL),
    ),
    "TaskRemoved": Message(
        "task_removed",
        "The record of a job was deleted.",
        {"timestamp": _TIMESTAMP},
        {"taskId": TASK_ID_FIELD},
    ),
    "TransferUpdate": Message(
        "transfer_update",
        "A file of the user's has moved on.",
        {"timestamp": _TIMESTAMP},
        TRANSFER_FIELDS,
    ),
    "Pong": Message("pong", "Answers a ping.", {"re": _RE, "timestamp": _TIMESTAMP}, {}),
    "Error": Message(
        "error",
        "Something that was asked for was not done.",
        {"re": _RE, "timestamp": _TIMESTAMP},
        {
            "code": Field("text", "For programs, as in the answers of HTTP."),
            "message": Field("text", "What is wrong, in a sentence."),
            "temporary": Field("flag", "Whether the same may succeed later.", missing=False),
            "taskId": replace(TASK_ID_FIELD, missing=None),
        },
    ),
}

BROWSER_MESSAGES: Final[dict[str, Message]] = {
    "Subscribe": Message(
        "subscribe",
        "Asks for the state of tasks, and for every change from then on.",
        {"id": _ID},
        {
            "tasks": Field(
                "list",
                "The tasks, each with the last event that was applied of it.",
                MAX_SUBSCRIPTIONS,
                least=1,
                item=Field("object", "One task.", fields=POSITION_FIELDS),
            )
        },
    ),
    **_of_targets(
        "Subscribe",
        "subscribe",
        "Asks for the state of all tasks that have something in common, those to come included.",
        {"id": _ID},
    ),
    "Unsubscribe": Message(
        "unsubscribe",
        "Asks for silence about tasks.",
        {"id": _ID},
        {"tasks": Field("list", "Their ids.", MAX_SUBSCRIPTIONS, least=1, item=TASK_ID_FIELD)},
    ),
    **_of_targets(
        "Unsubscribe",
        "unsubscribe",
        "Asks for silence about the tasks of a target that belong to no other.",
        {"id": _ID},
    ),
    "Ping": Message(
        "ping",
        "A sign of life from a page, which cannot see the protocol's own pings.",
        {"id": replace(_ID, nullable=True, missing=None)},
    ),
}
