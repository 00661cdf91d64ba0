"""age encryption of a finished file on its way to the disk (age-encryption.org/v1).

The file is for its recipients only: whoever wrote it cannot read it either. Every run makes a new
file key, so the same data never gives the same bytes twice, and nothing can be continued.
"""

from __future__ import annotations

from queue import Queue
from typing import TYPE_CHECKING, Any, Final

from progresswidget.errors import MissingExtraError, OptionError, ProgressWidgetError
from progresswidget.export.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from progresswidget.export.writers import Piece

DEPTH: Final = 2
"""Pieces that may wait for the encryption."""
HINT: Final = (
    'Give encrypt_to="age1…", a key in the form "ssh-ed25519 …" or "ssh-rsa …", or a list of these.'
)


def find_recipients(given: object) -> list[Any]:
    """Return pyrage's recipients.

    Parameters
    ----------
    given
        One recipient or several: X25519 keys (``age1…``) or SSH public keys.

    Raises
    ------
    OptionError
        If one of them is none, or there are none.
    MissingExtraError
        If pyrage is not installed.
    """
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, (list, tuple)) or not texts:
        raise OptionError("encrypt_to must be one recipient of age, or a list of them.", HINT)
    return [_recipient(text, place) for place, text in enumerate(texts, 1)]


def _recipient(text: object, place: int) -> Any:
    if not isinstance(text, str):
        raise OptionError(f"The recipient {place} is no text but {type(text).__name__}.", HINT)
    key = text.strip()
    # An identity opens files. It is never repeated in a message, which may end up in a notebook.
    if key.upper().startswith("AGE-SECRET-KEY-") or "PRIVATE KEY-----" in key:
        raise OptionError(
            f"The recipient {place} is a secret key, which opens files and does not encrypt them.",
            "Give the public key that belongs to it; age-keygen -y prints it.",
        )
    try:
        import pyrage
    except ImportError:
        raise MissingExtraError(
            "Encryption needs pyrage.", "pip install 'progresswidget[age]'"
        ) from None
    kind = pyrage.ssh.Recipient if key.startswith("ssh-") else pyrage.x25519.Recipient
    try:
        return kind.from_str(key)
    except pyrage.RecipientError as error:
        shown = key if len(key) <= 24 else f"{key[:24]}…"  # noqa: PLR2004 - enough to know it again
        raise OptionError(
            f"The recipient {place}, {shown!r}, cannot be used: {error}.", HINT
        ) from None


_NOTHING: Final = memoryview(b"")


class _Stopped(Exception):  # noqa: N818 - never seen outside
    """Nobody wants the rest."""


class AgeEncryptor:
    """A stream of bytes through age.

    pyrage reads from a file and writes to one until the end, so it runs on a thread of its own,
    with this object as both files.

    Parameters
    ----------
    recipients
        As `find_recipients` takes them.

    Raises
    ------
    OptionError, MissingExtraError
        As `find_recipients` does.
    """

    def __init__(self, recipients: object) -> None:
        self._recipients = find_recipients(recipients)
        self._input: Queue[Piece | None] = Queue(DEPTH)
        self._rest = _NOTHING
        self._output: list[bytes] = []
        self._failure: BaseException | None = None
        self._stopped = self._ended = False
        self._thread: Worker | None = None

    def feed(self, piece: Piece) -> list[bytes]:
        """Take bytes; return what is encrypted so far and was not returned yet.

        Raises
        ------
        ProgressWidgetError
            If the encryption failed.
        """
        if self._thread is None:
            self._thread = Worker(self._work, "age")
            self._thread.start()
        self._check()
        view = memoryview(piece).cast("B")
        if view.nbytes:
            self._input.put(view)
        return self._take()

    def finish(self) -> Sequence[bytes]:
        """Return the rest, when all bytes were fed.

        Raises
        ------
        ProgressWidgetError
            If the encryption failed.
        """
        rest = self.feed(b"")
        self._end()
        self._check()
        return rest + self._take()

    def close(self) -> None:
        """End the thread, also before the end of the bytes; a second call changes nothing."""
        self._stopped = True
        self._end()

    def _end(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            self._input.put(None)
            self._thread.join()

    def _check(self) -> None:
        if self._failure is not None:
            raise ProgressWidgetError(f"The encryption failed: {self._failure}") from self._failure

    def _take(self) -> list[bytes]:
        # The thread only appends, so what is counted here stays where it is.
        count = len(self._output)
        taken = self._output[:count]
        del self._output[:count]
        return taken

    def _work(self) -> None:
        import pyrage

        try:
            pyrage.encrypt_io(self, self, self._recipients)
        except BaseException as error:  # noqa: BLE001 - it is raised again by `feed`
            if not self._stopped:
                self._failure = error
            while not self._ended and self._input.get() is not None:
                pass  # nobody may wait for a dead thread

    # --- the two files that pyrage sees ---------------------------------------------------------

    def read(self, size: int) -> bytes:
        """Return bytes to be encrypted, and none at their end."""
        while not self._rest:
            piece = self._input.get()
            if piece is None:
                self._ended = True
                if self._stopped:
                    raise _Stopped
                return b""
            self._rest = piece
        taken, self._rest = bytes(self._rest[:size]), self._rest[size:]
        if not self._rest:
            self._rest = _NOTHING  # a view of no bytes keeps all those that it is a view of
        return taken

    def write(self, data: bytes) -> int:
        """Keep encrypted bytes."""
        self._output.append(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: pyrage calls it at the end."""
