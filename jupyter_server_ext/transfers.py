"""How far every transfer is, per user and file: remembered, and told to the pages of that user.

A file may come in pieces and over several connections at once, so what is kept are the spans of it
that have moved. `offset` is the end of the span that begins at its first byte: where a client goes
on that has lost its place. What was sent may still have been on its way when a connection broke;
of a download the client's own file knows better, of an upload the server does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jupyter_server_ext.hub import Hub
    from progresswidget.protocol import Json

Direction: TypeAlias = Literal["download", "upload"]
Span: TypeAlias = tuple[int, int]
"""Bytes from the first to before the second."""

TOKEN_USER: Final = "token"  # noqa: S105 - a name, no secret
"""Whoever holds the server's token, where that is all that is known of a person."""
MAX_SPANS: Final = 64
"""Spans of one file that are remembered; of more, the shortest is forgotten."""


def may_see(viewer: str, owner: str) -> bool:
    """Say whether a user is told of a transfer; the token's holders are the server's own people."""
    return owner in {viewer, TOKEN_USER}


def merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the same bytes as disjoint spans in their order, empty ones left out."""
    result: list[Span] = []
    for first, end in sorted(spans):
        if first >= end:
            continue
        if result and first <= result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((first, end))
    while len(result) > MAX_SPANS:
        result.remove(min(result, key=lambda span: span[1] - span[0]))
    return tuple(result)


@dataclass(slots=True)
class Record:
    """What is known of one file on its way to or from one user.

    Parameters
    ----------
    size
        Bytes of the whole file, None where nobody knows yet.
    timestamp
        When a byte last moved, in milliseconds since 1970.
    spans
        What connections that have ended have moved.
    open
        The connections that are moving it now.
    """

    user: str
    file_id: str
    name: str
    size: int | None
    direction: Direction
    task_id: str | None
    timestamp: int
    spans: tuple[Span, ...] = ()
    ended: bool = False
    """Whether a transfer of unknown length came to its end."""
    open: list[Transfer] = field(default_factory=list)
    pushed: float = 0.0
    due: bool = False

    @property
    def covered(self) -> tuple[Span, ...]:
        """What has moved until now."""
        return merged((*self.spans, *(transfer.span for transfer in self.open)))

    def to_json(self) -> Json:
        """Return what the user is told."""
        spans = self.covered
        offset = spans[0][1] if spans and spans[0][0] == 0 else 0
        known = self.size is not None
        return {
            "userId": self.user,
            "fileId": self.file_id,
            "offset": offset,
            "timestamp": self.timestamp,
            "received": sum(end - first for first, end in spans),
            "size": self.size,
            "name": self.name,
            "direction": self.direction,
            "taskId": self.task_id,
            "active": bool(self.open),
            "complete": offset == self.size if known else self.ended,
        }


class Transfer:
    """One connection that moves a file. Made by `Transfers.begin`; call `end` in any case.

    All methods are called on the event loop.
    """

    __slots__ = ("_end", "_first", "_owner", "record")

    def __init__(self, owner: Transfers, record: Record, offset: int) -> None:
        self._owner = owner
        self.record = record
        self._first = self._end = offset

    @property
    def span(self) -> Span:
        """What it has moved without a gap."""
        return self._first, self._end

    def moved(self, offset: int) -> None:
        """Note how far it is.

        Parameters
        ----------
        offset
            Bytes from the beginning of the file, absolute.
        """
        self._end = offset
        self._owner.note(self.record)

    def seek(self, offset: int) -> None:
        """Go on elsewhere in the file, as between the parts of a multipart answer."""
        self.record.spans = merged((*self.record.spans, self.span))
        self._first = self._end = offset

    def end(self, *, complete: bool) -> None:
        """Note the end of the connection; a second call does nothing.

        Parameters
        ----------
        complete
            Whether it moved all that it was to move.
        """
        if self in self.record.open:
            self._owner.ended(self, complete=complete)


class Transfers:
    """All transfers.

    Parameters
    ----------
    hub
        Who is told, and by whose clock.
    interval
        Seconds between two messages about one transfer.
    """

    def __init__(self, *, hub: Hub, interval: float) -> None:
        self._hub = hub
        self._interval = interval
        self._records: dict[tuple[str, str], Record] = {}

    def begin(
        self,
        *,
        user: str,
        file_id: str,
        name: str,
        size: int | None,
        offset: int,
        direction: Direction,
        task_id: str | None,
    ) -> Transfer:
        """Note that a connection begins to move a file.

        Parameters
        ----------
        user
            Whose transfer it is.
        file_id
            Names one byte string: another content has another id.
        name
            The file's name, for people.
        size
            Bytes of the whole file, None if unknown.
        offset
            Where it begins.
        task_id
            The job whose file it is, if it is one.
        """
        key = (user, file_id)
        record = self._records.get(key)
        if record is None or (record.size is not None and record.size != size):
            record = Record(user, file_id, name, size, direction, task_id, self._hub.timestamp())
        record.size, record.ended = size, False
        # The newest last: the first ones are forgotten first.
        self._records.pop(key, None)
        self._records[key] = record
        transfer = Transfer(self, record, offset)
        record.open.append(transfer)
        self._push(record)
        return transfer

    def find(self, viewer: str) -> list[Json]:
        """Return the transfers that a user may see, the newest first."""
        records = reversed(self._records.values())
        return [record.to_json() for record in records if may_see(viewer, record.user)]

    def get(self, viewer: str, file_id: str) -> Json | None:
        """Return how far a file is, for a user who may see it; the user's own comes first."""
        for user in (viewer, TOKEN_USER):
            record = self._records.get((user, file_id))
            if record is not None:
                return record.to_json()
        return None

    def note(self, record: Record) -> None:
        """Tell of progress at the end of the interval; see `Transfer.moved`."""
        if record.due:
            return
        record.due = True
        clock = self._hub.clock
        wait = max(0.0, record.pushed + self._interval - clock.time())
        clock.call_later(wait, lambda: self._push_due(record))

    def ended(self, transfer: Transfer, *, complete: bool) -> None:
        """Tell of the end at once; see `Transfer.end`."""
        record = transfer.record
        record.spans = merged((*record.spans, transfer.span))
        record.open.remove(transfer)
        record.ended = complete
        self._push(record)

    def _push_due(self, record: Record) -> None:
        if record.due:
            self._push(record)

    def _push(self, record: Record) -> None:
        record.due = False
        record.pushed = self._hub.clock.time()
        record.timestamp = self._hub.timestamp()
        self._hub.tell(record.user, record.file_id, record.to_json())
