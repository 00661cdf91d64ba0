"""Progress of asynchronous loops, and of awaitables that run side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from progresswidget.loops.likeness import AsIterable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from typing import Self


class Asynchronous(AsIterable):
    """A bar in ``async for``, over what is asynchronous and over what is not; a base of `tqdm`."""

    _items: Any = None
    _ends = False
    _error: BaseException | None
    close: Callable[[], None]
    update: Callable[..., bool | None]
    _hold: Callable[[], None]
    _loop_ended: Callable[[bool], None]

    def __aiter__(self) -> Self:
        self._hold()
        self._items = None
        return self

    async def __anext__(self) -> Any:
        try:
            item = await self._next()
        except StopAsyncIteration:
            self._loop_ended(True)  # noqa: FBT003 - as `sampled` calls it
            raise
        except BaseException as error:
            self._error = error
            self.close()
            raise
        self.update()
        return item

    async def _next(self) -> Any:
        if self._items is None:
            source: Any = self.iterable
            self._ends = not hasattr(source, "__aiter__")
            self._items = iter(source) if self._ends else source.__aiter__()
        if not self._ends:
            return await self._items.__anext__()
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None

    def send(self, *args: Any, **options: Any) -> Any:
        """Send a value to the generator that the loop runs over."""
        source: Any = self._items if self._items is not None else self.iterable
        return source.send(*args, **options)

    @classmethod
    def as_completed(
        cls,
        fs: Iterable[Awaitable[Any]],
        *,
        loop: Any = None,  # noqa: ARG003 - as people call it
        timeout: float | None = None,
        total: float | None = None,
        **options: Any,
    ) -> Iterator[Awaitable[Any]]:
        """Yield awaitables as `asyncio.as_completed` does, with progress.

        Parameters
        ----------
        fs
            The awaitables.
        loop
            Of no use any more, as in tqdm: it is the one that runs.
        timeout
            Seconds for all of them.
        total
            How many there are, where they have no length.
        **options
            Those of `tqdm`.
        """
        import asyncio

        listed = list(fs)
        done: Any = asyncio.as_completed(listed, timeout=timeout)
        total = len(listed) if total is None else total
        bars: Any = cls
        yield from bars(done, total=total, **options)

    @classmethod
    async def gather(
        cls,
        *fs: Awaitable[Any],
        loop: Any = None,  # noqa: ARG003 - as people call it
        timeout: float | None = None,  # noqa: ASYNC109 - as people call it
        total: float | None = None,
        return_exceptions: bool = False,
        **options: Any,
    ) -> list[Any]:
        """Await all of them, and return what they answer in their order, as `asyncio.gather`.

        Parameters
        ----------
        *fs
            The awaitables.
        loop
            Of no use any more, as in tqdm: it is the one that runs.
        timeout
            Seconds for all of them.
        total
            How many there are.
        return_exceptions
            Whether an exception is an answer like others.
        **options
            Those of `tqdm`.
        """
        import asyncio

        bars: Any = cls
        with bars(total=len(fs) if total is None else total, **options) as bar:

            async def counted(awaitable: Awaitable[Any]) -> Any:
                try:
                    answer = await awaitable
                except Exception:
                    bar.update()
                    raise
                bar.update()  # and not for what is cancelled, as all is that takes too long
                return answer

            gathered = asyncio.gather(*map(counted, fs), return_exceptions=return_exceptions)
            async with asyncio.timeout(timeout):
                return await gathered
