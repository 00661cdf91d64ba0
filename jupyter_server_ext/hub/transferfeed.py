"""Who is told of transfers, and of whose. No tornado, thread or clock inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_server_ext.hub.framing import text_frame
from progresswidget import protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server_ext.hub.changes import Changes
    from jupyter_server_ext.hub.subscriber import Subscriber
    from progresswidget.protocol import Json


class TransferFeed:
    """Tells subscribers of transfers.

    Parameters
    ----------
    changes
        What is told, for who asks now and then.
    timestamp
        Milliseconds since 1970, for the envelope.
    """

    def __init__(self, changes: Changes, timestamp: Callable[[], int]) -> None:
        self._changes = changes
        self._timestamp = timestamp
        self._watchers: dict[Subscriber, Callable[[str], bool]] = {}

    def watch(self, subscriber: Subscriber, sees: Callable[[str], bool]) -> None:
        """Tell the subscriber of the transfers of those users whom it `sees`."""
        self._watchers[subscriber] = sees

    def unwatch(self, subscriber: Subscriber) -> None:
        """Tell the subscriber of no transfers any more."""
        self._watchers.pop(subscriber, None)

    def tell(self, user: str, key: str, data: Json) -> None:
        """Take a new state of a transfer.

        Parameters
        ----------
        user
            Whose it is.
        key
            With the user, what it is known by.
        data
            The whole state: where it follows one that was not read yet, it replaces that.
        """
        self._changes.transfer((user, key), data)
        told = [
            subscriber
            for subscriber, sees in self._watchers.items()
            if sees(user) and subscriber.may_hear(data)
        ]
        if told:
            frame = self.frame(data)
            for subscriber in told:
                subscriber.transfer((user, key), frame)

    def frame(self, data: Json) -> bytes:
        """Return the WebSocket frame that tells of a transfer."""
        message = protocol.transfer_update(data=data, timestamp=self._timestamp())
        return text_frame(protocol.encode(message).encode())
