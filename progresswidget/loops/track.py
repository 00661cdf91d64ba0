"""`track`: the progress of a loop, with few options."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any, TypeVar, overload

from progresswidget.errors import LoopCancelledError, OptionError
from progresswidget.loops.bar import tqdm
from progresswidget.loops.jobs.job import LOOK, LoopJob
from progresswidget.loops.jobs.parent import reporter
from progresswidget.loops.options import refuse_what_is_no_loop

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator

    from progresswidget.loops.sampling import Position
    from progresswidget.protocol import Action

T = TypeVar("T")


@overload
def track(
    iterable: Iterable[T],
    desc: str | None = None,
    total: float | None = None,
    *,
    unit: str = "it",
    leave: bool = True,
    cancellable: bool = False,
) -> Iterator[T]: ...


@overload
def track(
    iterable: AsyncIterable[T],
    desc: str | None = None,
    total: float | None = None,
    *,
    unit: str = "it",
    leave: bool = True,
    cancellable: bool = False,
) -> AsyncIterator[T]: ...


def track(
    iterable: Any,
    desc: str | None = None,
    total: float | None = None,
    *,
    unit: str = "it",
    leave: bool = True,
    cancellable: bool = False,
) -> Any:
    """Return an iterator over the same items whose progress is shown.

    >>> for row in pw.track(rows, "Rows", cancellable=True):  # doctest: +SKIP
    ...     ...

    In a notebook it is a job on its server, with a bar that survives a reload; on a terminal it is
    a line of text; elsewhere it is quiet. The loop costs next to nothing more than without it.

    Parameters
    ----------
    iterable
        What the loop runs over; in ``async for`` something asynchronous. (`tqdm` goes there with
        anything.)
    desc
        What a person reads beside the bar.
    total
        How many items there are, where the iterable does not tell.
    unit
        What an item is called; ``B`` for bytes.
    leave
        Whether the bar stays when the loop has ended.
    cancellable
        Whether the bar has buttons, which the loop obeys before its next item: it waits while it
        is paused, and raises when it is cancelled.

    Raises
    ------
    TypeError
        If there is nothing to loop over.
    OptionError
        If `total` is below 0 or no number, or `desc` is one.
    LoopCancelledError
        In the loop, if it is `cancellable` and was cancelled.
    """
    asynchronous = hasattr(iterable, "__aiter__")
    if not asynchronous:
        refuse_what_is_no_loop("pw.track", iterable)
    _refuse_wrong(desc, total)
    bars: type[tqdm[Any]] = Obedient if cancellable else tqdm
    bar = bars(iterable, desc, total, unit=unit, leave=leave, disable=None)
    return bar if asynchronous else iter(bar)


def _refuse_wrong(desc: Any, total: Any) -> None:
    if isinstance(desc, Real):
        raise OptionError(f"desc is a text, not {desc!r}.", f"Did you mean total={desc!r}?")
    number = isinstance(total, Real) and not isinstance(total, bool)
    if total is not None and not (number and total >= 0):
        raise OptionError(f"total must be a number from 0 on, not {total!r}.")


class ObedientJob(LoopJob):
    """The job of a loop that obeys.

    Parameters
    ----------
    *args, **options
        Those of `LoopJob`.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, cancellable=True, **options)
        self.interrupt: Callable[[], object] | None = None

    def obey(self) -> None:
        """Do what was asked, as `LoopJob.obey`, and end with what it raises: so does the loop."""
        try:
            super().obey()
        except LoopCancelledError as error:
            self.end(error)
            raise

    async def obey_meanwhile(self) -> None:
        """Do the same in ``async for``: other tasks go on, and this one may be cancelled."""
        import asyncio

        try:
            while self.must_wait():  # noqa: ASYNC110 - it is asked from other threads
                await asyncio.sleep(LOOK)
        except LoopCancelledError as error:
            await asyncio.to_thread(self.end, error)  # it waits for the server to hear of it
            raise
        reporter().wake()

    def _wish(self, action: Action) -> None:
        super()._wish(action)
        if self.interrupt is not None:
            self.interrupt()


class Obedient(tqdm[T]):
    """The bar of a loop that obeys."""

    _job_kind = ObedientJob

    async def __anext__(self) -> Any:
        job = self.job
        if isinstance(job, ObedientJob) and job.asked:
            try:
                await job.obey_meanwhile()
            except BaseException as error:
                self._error = error
                self.close()
                raise
        return await super().__anext__()

    def _heed(self, position: Position) -> None:
        if isinstance(self.job, ObedientJob):
            self.job.interrupt = position.interrupt
