"""Where a delivery is prepared: a hidden folder beside the path, with the file and the ledger.

It is ``.<name>.<8 hexadecimal digits>.delivery``, where the digits follow from what is aimed at:
the same call finds it again after a kill, and two deliveries of one name to two places keep apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING, Final

from progresswidget.errors import DestinationBusyError
from progresswidget.export import finished
from progresswidget.export.destination import explain, name_max
from progresswidget.export.lease import TRIES, Lease, take
from progresswidget.export.parts import discard

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LEDGER: Final = "ledger"
"""As `progresswidget.protocol.LEDGER`, which a server looks at."""
ENDING: Final = ".12345678.delivery"
PRIVATE: Final = 0o700


class Staging:
    """The folder of one delivery.

    Parameters
    ----------
    path
        What is delivered: a name, and the folder beside which it is prepared.
    target
        What is aimed at.
    """

    def __init__(self, path: Path, target: str) -> None:
        digits = hashlib.sha256(f"{path.name}\0{target}".encode(errors="surrogatepass")).hexdigest()
        stem = path.name
        if len(os.fsencode(f".{stem}{ENDING}")) > name_max(path.parent):
            stem = hashlib.sha256(os.fsencode(stem)).hexdigest()[:32]
        self.folder = path.with_name(f".{stem}.{digits[:8]}.delivery")
        self.file = self.folder / path.name
        self._path = path

    def make(self) -> None:
        """Make the folder.

        Raises
        ------
        DestinationError
            If that is not possible.
        """
        try:
            self.folder.mkdir(mode=PRIVATE, exist_ok=True)
        except OSError as error:
            raise explain(error, self._path) from error

    @contextlib.contextmanager
    def held(self) -> Iterator[Lease]:
        """Hold the ledger; at the end a folder in which nothing is left to do is removed.

        Raises
        ------
        DestinationBusyError
            If another process is at it.
        """
        lease = self._take()
        try:
            lease.start()
            yield lease
        finally:
            if lease.empty and lease.ours:
                self.clear()
                lease.remove()
            lease.close()
            self.leave()

    def clear(self) -> None:
        """Remove all but the ledger."""
        for path in self.folder.iterdir():
            if path.name != LEDGER:
                discard(path)
        finished.forget(self.file)

    def leave(self) -> None:
        """Remove the folder, if there is nothing in it."""
        with contextlib.suppress(OSError):
            self.folder.rmdir()

    def _take(self) -> Lease:
        for _ in range(TRIES):
            self.make()
            # One that is done removes the folder, maybe in this very moment.
            with contextlib.suppress(FileNotFoundError):
                return take(self.folder / LEDGER)
        raise DestinationBusyError(f"Other deliveries of {self._path.name} come and go.")
