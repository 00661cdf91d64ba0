"""What came of an export: the finished file, and its digest when it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from progresswidget.export.destination import explain

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path


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
            return self._digest()
        except OSError as error:
            raise explain(error, self.path) from error
