"""Where jobs, transfers, links and uploads are kept, and who may change them: the ports.

The backends import this module, and nothing imports them but the composition root and the tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeAlias, TypeVar

from jupyter_server_ext.model.job import Job
from jupyter_server_ext.model.link import Link
from jupyter_server_ext.model.transfer import Record
from jupyter_server_ext.model.upload import Upload

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

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
UPLOADS: Final = Kind("uploads", "upload", "upload_id", Upload.from_json)


class Store(Protocol[T]):
    """Remembers things of one kind beyond the life of a server process.

    All methods are called on the event loop and none may block it. What is saved, deleted and
    loaded takes effect in the order of the calls.
    """

    @property
    def health(self) -> StoreHealth:
        """How it fares."""

    changed: Callable[[str, T | None], None]
    """Called with the key of what another server has written or, None, forgotten."""
    emptied: Callable[[], None]
    """Called when all that was kept is lost: who knows it saves it again."""

    async def load(self) -> list[T]:
        """Return everything, in no particular order."""

    def save(self, item: T) -> None:
        """Remember an item soon; of several saves under one key only the last one counts."""

    async def save_now(self, item: T) -> bool:
        """Remember an item, and return when it would survive a loss of power.

        Returns
        -------
        Whether it would, as far as it does in this store at all. If not, it is in memory, and
        written with the next batch that can be.
        """

    async def delete(self, keys: list[str]) -> None:
        """Forget items; unknown keys are no error."""

    async def close(self) -> None:
        """Write what is still to be written, and release everything."""


JobStore: TypeAlias = Store[Job]
TransferStore: TypeAlias = Store[Record]
LinkStore: TypeAlias = Store[Link]
UploadStore: TypeAlias = Store[Upload]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a job that is settled.

    Parameters
    ----------
    job
        The job now; None where it was removed.
    seq
        Its number in the history of the job; None where the hub counts.
    own
        Whether it was this server that made it.
    """

    task_id: str
    job: Job | None
    seq: int | None
    own: bool = True


class Follower(Protocol):
    """Who holds the jobs in memory: it decides what comes next, and follows what is settled."""

    @property
    def jobs(self) -> Mapping[str, Job]:
        """All jobs as they are known now."""

    def taken(self, change: Change) -> None:
        """Take a change that is settled, of this server or another one."""

    def rebased(self, epoch: str, jobs: Mapping[str, tuple[int, Job]]) -> None:
        """Take another history: these jobs, with their numbers, and no others."""

    async def orphaned(self, task_id: str) -> None:
        """Take over an active job whose server has died."""


class Broker(Protocol):
    """Settles in which order jobs change, among all servers that share them.

    Parameters
    ----------
    conflicts
        Changes so far that came too late, because another server had made one.
    fenced
        Those of them that another server speaks for.
    """

    conflicts: int
    fenced: int

    async def start(self, follower: Follower) -> None:
        """Bring together what the follower and the others know, and go on from there."""

    async def append(self, task_id: str, job: Job | None, *, owns: bool) -> bool:
        """Settle a change that follows what the follower knows at the moment of the call.

        The follower has taken what is settled when this returns.

        Parameters
        ----------
        job
            The job after the change; None removes it.
        owns
            Whether this server speaks for the process of the job, and not only asks something
            of it. Who was the owner before can then no longer write.

        Returns
        -------
        Whether it is settled. If not, the follower has learnt something new and decides again.
        """

    def owns(self, task_id: str) -> bool:
        """Say whether it is this server that the job's process reports to."""

    async def close(self) -> None:
        """Stop following."""


@dataclass(frozen=True, slots=True)
class Lease:
    """Something that one holder has for a time.

    Parameters
    ----------
    token
        Grows with each lease of one name: what a holder wrote with an older one is out of date.
    epoch
        The history in which it grows; empty where it is only this server's own.
    """

    name: str
    holder: str
    token: int
    epoch: str = ""


class Locker(Protocol):
    """Gives things to one holder at a time; who does not renew a lease loses it."""

    async def acquire(self, name: str, holder: str, ttl: float) -> Lease | None:
        """Take a lease for `ttl` seconds; None where somebody has it, the same holder included."""

    async def renew(self, lease: Lease, ttl: float) -> bool:
        """Hold a lease for `ttl` seconds from now, if it was not lost."""

    async def release(self, lease: Lease) -> None:
        """End a lease; one that was lost is no error."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What an idempotency key was first used for.

    Parameters
    ----------
    request
        A digest of what was asked for.
    result
        What comes of it: the id of a job, for instance.
    settled
        Whether it has come of it: after that it is not made again, also where it was removed.
    """

    request: str
    result: str
    settled: bool = False


class KeyStore(Protocol):
    """Remembers which request an idempotency key belongs to."""

    async def claim(self, key: str, request: str, result: str, ttl: float) -> Claim | None:
        """Take a key for a request, in one step.

        Parameters
        ----------
        result
            Chosen before the work is done: who comes second, or after a crash, goes on with it.
        ttl
            Seconds for which the key is remembered.

        Returns
        -------
        None where the key was free, else what it was claimed for.
        """

    async def settle(self, key: str) -> None:
        """Note that what was asked for is done."""

    async def forget(self, key: str) -> None:
        """Give a key free, because what was asked for was refused."""
