"""PDF: the web page, printed by a Chromium of the machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from progresswidget.errors import MissingExtraError, ProgressWidgetError, SourceError
from progresswidget.notebook.printing import in_strips
from progresswidget.notebook.web import html

if TYPE_CHECKING:
    from progresswidget.notebook.document import Document

VARIABLE: Final = "PROGRESSWIDGET_CHROMIUM"
"""The environment variable that names the program where it is not on the PATH."""
NAMES: Final = (
    "chromium",
    "chromium-browser",
    "chromium-headless-shell",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "msedge",
    "microsoft-edge",
)
SECONDS: Final = 120.0
QUIET: Final = b"<script>alert = confirm = prompt = print = () => null</script>"
"""Before the scripts of a page: a dialog would wait for a user that there is not."""


def find() -> str:
    """Return the program that prints.

    Raises
    ------
    MissingExtraError
        If there is none.
    """
    chosen = os.environ.get(VARIABLE)
    for name in (chosen,) if chosen else NAMES:
        found = shutil.which(name)
        if found is not None:
            return found
    raise MissingExtraError(
        f"{VARIABLE}={chosen} is no program that can be run."
        if chosen
        else "Printing a notebook as PDF needs Chromium, Chrome or Edge, and there is none.",
        f"Install Chromium, name one with {VARIABLE}, or export to .html.",
    )


def pdf(document: Document, seconds: float = SECONDS) -> bytes:
    """Print a notebook.

    Parameters
    ----------
    document
        The notebook.
    seconds
        When the browser has taken too long.

    Raises
    ------
    MissingExtraError
        If there is no Chromium.
    SourceError
        If it did not print.
    """
    program = find()
    page = in_strips(html(document).decode()).encode()
    page = page.replace(b"<head>", b"<head>" + QUIET, 1)
    # A Chromium that comes as a snap sees no hidden folder and has a /tmp of its own.
    home = Path.home() if "snap" in Path(program).resolve().parts else None
    with tempfile.TemporaryDirectory(
        prefix="progresswidget-", dir=home, ignore_cleanup_errors=True
    ) as name:
        folder = Path(name)
        source, printed = folder / "page.html", folder / "page.pdf"
        source.write_bytes(page)
        code = _run(_command(program, folder, source, printed), folder / "log", seconds)
        if code is None:
            raise SourceError(f"Chromium did not print the notebook within {seconds:g} seconds.")
        if code or not printed.exists():
            raise _failure(program, code, folder / "log")
        return printed.read_bytes()


def _command(program: str, folder: Path, source: Path, printed: Path) -> list[str]:
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [
        program,
        "--headless",
        *(["--no-sandbox"] if root else []),  # as root Chromium starts in no other way
        "--disable-gpu",
        "--disable-dev-shm-usage",  # containers give it 64 MB
        "--no-first-run",
        "--disable-extensions",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--no-pdf-header-footer",
        f"--user-data-dir={folder / 'profile'}",
        f"--print-to-pdf={printed}",
        source.as_uri(),
    ]


def _run(command: list[str], log: Path, seconds: float) -> int | None:
    """Return the exit status, or None if the time was over."""
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - the user's own browser
            command,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=sys.platform != "win32",
        )
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a browser with the processes it has started; they outlive the first one otherwise."""
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failure(program: str, code: int, log: Path) -> ProgressWidgetError:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().split("\n")
    return SourceError(
        f"{Path(program).name} did not print the notebook (exit status {code}): {lines[-1]}",
        "Export to .html and print the page.",
    )
