"""Where jobs, transfers, links and files are kept: the port `Store`, and its backends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeAlias, TypeVar

from jupyter_server_ext.links import Link
from jupyter_server_ext.model import Job
from jupyter_server_ext.transferrecords import Record

if TYPE_CHECKING:
    from collections.abc import Callable

    from jupyter_server_ext.stores.health import StoreHealth
    from progresswidget.protocol import Json


class Kept(Protocol):
    """What a store can keep."""

    @property
    def key(self) -> str:
        """What it is found by."""

    @property
    def updated(self) -> int:
        """When it last changed, in milliseconds since 1970."""

    def to_json(self) -> Json:
        """Return the form that is kept."""


T = TypeVar("T", bound=Kept)


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What is kept in one store.

    Parameters
    ----------
    name
        Of many.
    noun
        Of one.
    key
        What the key is called.
    read
        Reads what `Kept.to_json` wrote; raises ValueError, KeyError or TypeError.
    """

    name: str
    noun: str
    key: str
    read: Callable[[Json], T]


JOBS: Final = Kind("jobs", "job", "task_id", Job.from_json)
TRANSFERS: Final = Kind("transfers", "transfer", "user_and_file", Record.from_json)
LINKS: Final = Kind("links", "link", "nonce", Link.from_json)


class Store(Protocol[T]):
    """Remembers things of one kind beyond the life of a server process.

    All methods are called on the event loop and none may block it. What is saved, deleted and
    loaded takes effect in the order of the calls.
    """

    @property
    def health(self) -> StoreHealth:
        """How it fares."""

    async def load(self) -> list[T]:
        """Return everything, in no particular order."""

    def save(self, item: T) -> None:
        """Remember an item soon; of several saves under one key only the last one counts."""

    async def save_now(self, item: T) -> None:
        """Remember an item, and return when it would survive a loss of power."""

    async def delete(self, keys: list[str]) -> None:
        """Forget items; unknown keys are no error."""

    async def close(self) -> None:
        """Write what is still to be written, and release everything."""


JobStore: TypeAlias = Store[Job]
TransferStore: TypeAlias = Store[Record]
LinkStore: TypeAlias = Store[Link]
