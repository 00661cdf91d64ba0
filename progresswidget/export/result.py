"""What came of an export: the finished file, and its digest when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from progresswidget.export.destination import explain

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path


class _Digest:
    """What waits for a digest. A copy has it, in another process too."""

    def __init__(self, wait: Callable[[], str]) -> None:
        self._wait = wait

    def __call__(self) -> str:
        return self._wait()

    def __reduce__(self) -> tuple[Any, ...]:
        return partial, (str, self())


@dataclass(frozen=True, slots=True)
class Result:
    """A finished file.

    Parameters
    ----------
    path
        Where it is.
    rows, columns
        What is in it, without the heading.
    bytes
        Its size.
    seconds
        How long it took, pauses included.
    reused
        Rows that did not have to be written, because an earlier run had written the same.
    stat
        What the system said of the file right after it got its name.
    omitted
        Rows of the frame that are not in it: reports hold the first ones only.
    """

    path: Path
    rows: int
    columns: int
    bytes: int
    seconds: float
    reused: int
    stat: os.stat_result = field(repr=False)
    _digest: Callable[[], str] = field(repr=False, compare=False)
    omitted: int = 0

    def __post_init__(self) -> None:
        """Let it be copied and pickled."""
        object.__setattr__(self, "_digest", _Digest(self._digest))

    def __repr__(self) -> str:
        """Return it as one would write it, in milliseconds, and without what is nothing."""
        told: dict[str, float] = {"rows": self.rows, "columns": self.columns, "bytes": self.bytes}
        told["seconds"] = round(self.seconds, 3)
        told |= {"reused": self.reused} if self.reused else {}
        told |= {"omitted": self.omitted} if self.omitted else {}
        values = "".join(f", {name}={value}" for name, value in told.items())
        return f"{type(self).__name__}({str(self.path)!r}{values})"

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, 64 hexadecimal digits.

        The file is complete before its digest is: this waits for it.

        Raises
        ------
        DestinationError
            If the file could not be read for it.
        """
        try:
            return self._taken()
        except OSError as error:
            raise explain(error, self.path) from error

    def _taken(self) -> str:
        try:
            return self._digest()
        except InterruptedError:  # in a fork, which has none of the threads
            from progresswidget.export.trail import digest_of

            return digest_of(self.path)()
