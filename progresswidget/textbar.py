"""The bar of a terminal: one line on stderr, and nothing where stderr is no terminal."""

from __future__ import annotations

import math
import shutil
import sys
import unicodedata
from typing import TYPE_CHECKING, Final, TextIO

from progresswidget import protocol, texts

if TYPE_CHECKING:
    from progresswidget.protocol import Json

BAR_WIDTH: Final = 24
LEAST_BAR_WIDTH: Final = 6
LEAST_NAME: Final = 16
"""Columns that a long name keeps on a narrow terminal."""
LEAST_LEFT: Final = 0.05
"""Seconds below which nothing is left to be told."""
LEAST_RATE: Final = 0.5
"""Rows or bytes a second below which a rate would be told as 0."""
_EIGHTHS: Final = " ▏▎▍▌▋▊▉█"


def draw_bar(progress: float | None, width: int = BAR_WIDTH, *, unicode: bool = True) -> str:
    """Return a bar of `width` characters for a progress from 0 to 100, or None for unknown."""
    if progress is None:
        return "·" * width if unicode else "." * width
    filled = min(max(progress, 0.0), 100.0) / 100 * width
    whole = int(filled)
    if not unicode:
        return "#" * whole + "-" * (width - whole)
    partial = _EIGHTHS[int((filled - whole) * 8)] if whole < width else ""
    return ("█" * whole + partial).ljust(width)


def draw_line(report: Json, width: int = 200, *, unicode: bool = True) -> str:
    """Return the line that says how far a job is.

    Parameters
    ----------
    report
        The state of the job, as `progresswidget.protocol` has it.
    width
        Columns of the terminal; where they are few, the bar shrinks, then some figures go, then the
        middle of a long name, and then the rest of the words. What is cut of a figure is another
        one, so none is cut.
    unicode
        Whether the terminal can show block characters.
    """
    table = texts.terminal_table()
    shown = 100.0 if report["status"] == "done" else report["progress"]
    # Cut and never rounded up: 100 % is said when it is true.
    percent = "  – %" if shown is None else f"{math.floor(shown):3} %"
    state = table[report["status"] if report["status"] != "running" else report["phase"]]
    parts, separator = _parts(report, table), " · " if unicode else ", "
    wordings = []
    while parts:
        words = table["state"].format(state=state, parts=separator.join(parts))
        wordings.append(f" {words}")
        # The size goes first, then the rate: rows and the time left matter most.
        del parts[1 if len(parts) > 1 else 0]
    name: str = report["name"]
    gap = "…" if unicode else "..."
    names = [_shorten(name, most, gap) for most in (width, max(width // 3, LEAST_NAME), LEAST_NAME)]
    lines = [(called, words) for called in names for words in wordings]
    for called, words in [*lines, (names[-1], f" {state}"), (names[-1], "")]:
        room = width - columns(f"{called} {percent} ||{words}")
        if room >= LEAST_BAR_WIDTH:
            bar = draw_bar(shown, min(room, BAR_WIDTH), unicode=unicode)
            return f"{called} {percent} |{bar}|{words}"
    return f"{_shorten(name, width - columns(percent) - 1, '')} {percent}"


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: two for a Chinese character (UAX #11)."""
    return len(text) + sum(unicodedata.east_asian_width(each) in "WF" for each in text)


def _shorten(name: str, width: int, gap: str) -> str:
    """Return a name of so many columns at most: its beginning, and its end with the ending."""
    if columns(name) <= width:
        return name
    keep = max(width - columns(gap), 0)
    end = name[-(keep // 2) :] if keep > 1 else ""
    while columns(end) > keep // 2:
        end = end[1:]
    begin = name[:keep]
    while columns(begin) > keep - columns(end):
        begin = begin[:-1]
    return f"{begin}{gap}{end}"


def _parts(report: Json, table: texts.Table) -> list[str]:
    kind, unit = report["kind"], report.get("unit", "")
    parts = [texts.progress(table, kind, report["rows"], report["total"], unit)]
    if kind == "export" and not report["rows"] and report.get("read"):
        # Of a slow source rows are written many at a time, and it is not to seem to stand still.
        parts = [table["read"].format(rows=texts.amount(table, kind, report["read"]))]
    elif kind == "export":  # the rows of a transfer are its bytes
        parts.append(texts.size(report["bytes"]))
    if report["status"] in protocol.TERMINAL:
        parts.append(table["took"].format(time=texts.duration(report["elapsed"])))
        return parts
    if (report["rate"] or 0) >= LEAST_RATE:
        amount = texts.amount(table, kind, report["rate"], unit)
        parts.append(table["rate"].format(amount=amount))
    if report["eta"] is not None and report["eta"] >= LEAST_LEFT:
        parts.append(table["left"].format(time=texts.duration(report["eta"])))
    return parts


class TextBar:
    """A line on a terminal that is drawn over itself until it is closed.

    Parameters
    ----------
    stream
        Where to draw; stderr by default. Nothing is drawn where it is no terminal.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._live = bool(self._stream is not None and self._stream.isatty())
        encoding = (getattr(self._stream, "encoding", None) or "ascii").lower()
        self._unicode = encoding.startswith("utf")
        self._drawn = ""

    def draw(self, report: Json) -> None:
        """Draw the state of a job, cut to the width of the terminal."""
        if not self._live:
            return
        width = max(shutil.get_terminal_size().columns - 1, 20)
        line = draw_line(report, width, unicode=self._unicode)
        if line != self._drawn:
            self._write(f"\r{line}{' ' * (columns(self._drawn) - columns(line))}")
            self._drawn = line

    def close(self) -> None:
        """Leave the line as it is and go on below it."""
        if self._drawn:
            self._write("\n")
            self._drawn = ""

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, UnicodeError):
            self._live = False  # the terminal went away; the export goes on without it
