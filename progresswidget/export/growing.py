"""What others are told who read a file while it is written, and when it is whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os


@dataclass(slots=True)
class Growing:
    """A part as those see it who read along while it is written.

    Parameters
    ----------
    name
        The name of the part, which it has until it is published.
    device, inode
        What tells it from other files, also after that.
    size
        The bytes in it that this run will not change any more; its thread raises it.
    start
        Those of them that an earlier run had written.
    committed
        Those of them that a later run would go on from; None if that can be none.
    hashed
        Whether its bytes are hashed on their way, see `Whole`.
    """

    name: str
    device: int
    inode: int
    size: int
    start: int
    committed: int | None
    hashed: bool


@dataclass(frozen=True, slots=True)
class Whole:
    """A file that has its name, and of which every byte went by: before its SHA-256 is known.

    Parameters
    ----------
    stat
        What the system said of it right after it got its name.
    xxh128
        The XXH3 of what was written, 32 hexadecimal digits: by it those who read along know that
        they have the file, and not by a digest that takes a second longer for each two gigabytes.
    """

    stat: os.stat_result
    xxh128: str
