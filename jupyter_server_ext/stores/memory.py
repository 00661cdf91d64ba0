"""What is kept in memory: for servers that have nowhere to write, and gone with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from jupyter_server_ext.stores import Kept
from jupyter_server_ext.stores.health import StoreHealth

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T", bound=Kept)


class MemoryStore(Generic[T]):
    """A `Store` that forgets when the process ends."""

    def __init__(self) -> None:
        self._items: dict[str, T] = {}
        self.changed: Callable[[str, T | None], None] = lambda _key, _item: None
        self.emptied: Callable[[], None] = lambda: None
        self.health = StoreHealth("memory")

    async def load(self) -> list[T]:
        """Return everything."""
        return list(self._items.values())

    def save(self, item: T) -> None:
        """Remember an item."""
        self._items[item.key] = item

    async def save_now(self, item: T) -> bool:
        """Remember an item: there is nothing that it would have to be written to."""
        self.save(item)
        return True

    async def delete(self, keys: list[str]) -> None:
        """Forget items."""
        for key in keys:
            self._items.pop(key, None)

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""
