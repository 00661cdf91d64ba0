"""A file that is open, and closed once, whoever is the last to need it."""

from __future__ import annotations

import os
from typing import Self


class OpenFile:
    """A descriptor and its owner. Close it after use.

    Parameters
    ----------
    descriptor
        Owned by this object.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the descriptor, once."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)
