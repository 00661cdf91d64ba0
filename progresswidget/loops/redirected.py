"""What stands in place of stdout or stderr, so that the text of others goes above the bars."""

from __future__ import annotations

from typing import Any


class Redirected:
    """A file in place of stdout or stderr whose lines go above the bars.

    Parameters
    ----------
    wrapped
        The file itself.
    """

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped
        self._begun = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapped, name)

    def write(self, x: str, nolock: bool = False) -> None:  # noqa: FBT001, FBT002
        """Write the lines that are whole; the rest waits for its end."""
        from progresswidget.loops.bar import tqdm

        whole, newline, rest = x.rpartition("\n")
        if newline:
            tqdm.write(f"{self._begun}{whole}", file=self.wrapped, nolock=nolock)
            self._begun = rest
        else:
            self._begun += rest
