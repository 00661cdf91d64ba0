"""The line that a terminal shows of a loop: pure functions of numbers and widths."""

from __future__ import annotations

import math
import re
import warnings
from datetime import datetime, timedelta
from typing import Any, Final

from progresswidget.loops.errors import TqdmWarning
from progresswidget.textbar import columns

ASCII: Final = " 123456789#"
BLOCKS: Final = " ▏▎▍▌▋▊▉█"
BLANK: Final = "  "
_PREFIXES: Final = ("", "k", "M", "G", "T", "P", "E", "Z")
_ESCAPE: Final = re.compile(r"\x1b\[[;\d]*[A-Za-z]")
_RESET: Final = "\x1b[0m"
_COLOURS: Final = {
    name: f"\x1b[{number}m"
    for number, name in enumerate(
        ("BLACK", "RED", "GREEN", "YELLOW", "BLUE", "MAGENTA", "CYAN", "WHITE"), 30
    )
}


def format_sizeof(num: float, suffix: str = "", divisor: float = 1000) -> str:
    """Return a number with three digits and the prefix of its order, as 12.3k.

    Parameters
    ----------
    num
        The number, at least 1.
    suffix
        What comes behind the prefix.
    divisor
        From one prefix to the next.
    """
    value = float(num)
    for prefix in _PREFIXES:
        size = abs(value)
        if size < 999.5:  # noqa: PLR2004 - what rounds to four digits has the next prefix
            decimals = 2 if size < 9.995 else 1 if size < 99.95 else 0  # noqa: PLR2004
            return f"{value:.{decimals}f}{prefix}{suffix}"
        value /= divisor
    return f"{value:.1f}Y{suffix}"


def format_interval(t: float) -> str:
    """Return a time in seconds as a clock shows it: 01:40, 1:02:45, -00:01."""
    minutes, seconds = divmod(abs(int(t)), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{minutes:02}:{seconds:02}"
    return f"{'-' if t < 0 else ''}{f'{hours}:' if hours else ''}{clock}"


def format_num(n: float) -> str:
    """Return a number as it is, or with three digits where that is shorter."""
    short = re.sub(r"e([+-])0*", r"e\1", f"{n:.3g}")
    return min(str(n), short, key=len)


class EMA:
    """A mean that forgets exponentially, and is right from the first value on.

    Parameters
    ----------
    smoothing
        The share of the newest value, from 0 to 1.
    """

    def __init__(self, smoothing: float = 0.3) -> None:
        self._share = smoothing
        self._sum = 0.0
        self._weight = 0.0

    def __call__(self, x: float | None = None) -> float:
        """Take a value, if one is given, and return the mean."""
        if x is not None:
            kept = 1 - self._share
            self._sum = self._share * x + kept * self._sum
            self._weight = self._share + kept * self._weight
        return self._sum / self._weight if self._weight else self._sum


class Bar:
    """A bar that says in its format how long it is: ``{bar:20}``, ``{bar:-10a}``.

    Parameters
    ----------
    frac
        How much of it is full, from 0 to 1.
    default_len
        Its length in columns where the format says none.
    charset
        From an empty column to a full one.
    colour
        The name of one, or ``#rrggbb``.
    """

    def __init__(
        self, frac: float, default_len: int = 10, charset: str = BLOCKS, colour: str | None = None
    ) -> None:
        if not 0 <= frac <= 1:
            warnings.warn("clamping frac to range [0, 1]", TqdmWarning, stacklevel=2)
            frac = max(0.0, min(1.0, frac))
        self._frac = frac
        self._length = default_len
        self._charset = charset
        self._colour = colour_code(colour)

    def __format__(self, spec: str) -> str:
        kinds = {"a": ASCII, "u": BLOCKS, "b": BLANK}
        charset = kinds.get(spec[-1:], self._charset)
        number = spec.rstrip("aub")
        length = int(number) if number else self._length
        if length < 0:
            length = max(self._length + length, 0)
        steps = len(charset) - 1
        full, part = divmod(int(self._frac * length * steps), steps)
        drawn = charset[-1] * full + (charset[part] if full < length else "")
        drawn = drawn.ljust(length, charset[0])
        return f"{self._colour}{drawn}{_RESET}" if self._colour else drawn


class _Gap:
    """Stands where the bar will be, to see what is left for it."""

    def __init__(self) -> None:
        self.asked = False

    def __format__(self, spec: str) -> str:
        self.asked = True
        return ""


def colour_code(colour: str | None) -> str:
    """Return what turns a terminal to a colour; empty for none, and with a warning for unknown."""
    if not colour:
        return ""
    found = re.fullmatch(r"#([0-9a-fA-F]{2})([0-9a-fA-F]{2})([0-9a-fA-F]{2})", colour)
    if found:
        red, green, blue = (int(part, 16) for part in found.groups())
        return f"\x1b[38;2;{red};{green};{blue}m"
    code = _COLOURS.get(colour.upper())
    if code is None:
        message = f"Unknown colour ({colour}); it is #rrggbb or one of {', '.join(_COLOURS)}"
        warnings.warn(message, TqdmWarning, stacklevel=2)
        return ""
    return code


def display_width(text: str) -> int:
    """Return how many columns a text takes, without what only colours it."""
    plain = _ESCAPE.sub("", text)
    return len(plain) if plain.isascii() else columns(plain)


def trimmed(text: str, width: int) -> str:
    """Return a text cut to a width; one with colours ends without them."""
    coloured = _ESCAPE.search(text) is not None
    while display_width(text) > width:
        text = text[:-1]
    return text + _RESET if coloured and not text.endswith(_RESET) else text


def format_meter(
    n: float,
    total: float | None,
    elapsed: float,
    ncols: int | None = None,
    prefix: str | None = "",
    ascii: bool | str = False,  # noqa: FBT001, FBT002 - as people call it
    unit: str = "it",
    unit_scale: float = False,  # noqa: FBT002
    rate: float | None = None,
    bar_format: str | None = None,
    postfix: Any = None,
    unit_divisor: float = 1000,
    initial: float = 0,
    colour: str | None = None,
    **extra: Any,
) -> str:
    """Return the line that says how far a loop is.

    Parameters
    ----------
    n, total
        How many steps are done, and how many there are.
    elapsed
        Seconds since the beginning.
    ncols
        Columns of the line; None leaves it as long as it is, 0 has no bar.
    prefix
        What the loop is called.
    ascii
        Whether the bar is of ASCII characters, or of which.
    unit, unit_scale, unit_divisor
        What a step is called; whether numbers have prefixes, or by what they are multiplied; from
        one prefix to the next.
    rate
        Steps a second, if they are not those since the beginning.
    bar_format
        The line itself, with the names that `fields` returns and ``{bar}``.
    postfix
        What is said behind the rate.
    initial
        Steps that were done before the beginning.
    colour
        Of the bar.
    **extra
        Other names for `bar_format`.
    """
    if total and (n >= total + 0.5 or math.isinf(total)):
        total = None  # there are more than was said: nobody knows
    if unit_scale and unit_scale != 1:
        n, initial = n * unit_scale, initial * unit_scale
        total, rate = total and total * unit_scale, rate and rate * unit_scale
        unit_scale = False
    known = _fields(
        n, total, elapsed, rate, initial, unit, postfix,
        prefixed=bool(unit_scale), divisor=unit_divisor,
    )  # fmt: skip
    prefix = prefix or ""
    head = prefix if not prefix or prefix.endswith(": ") else f"{prefix}: "
    known |= {
        "n": n, "total": total, "elapsed_s": elapsed, "ncols": ncols, "desc": prefix, "unit": unit,
        "unit_divisor": unit_divisor, "colour": colour, **extra,
    }  # fmt: skip
    known["percentage"] = percentage = 100 * n / total if total else 0.0
    if total:
        known["l_bar"] = f"{head}{percentage:3.0f}%|"
        if ncols == 0:
            return str(known["l_bar"][:-1] + known["r_bar"][1:])
        bar_format = bar_format or "{l_bar}{bar}{r_bar}"
    else:
        known["l_bar"] = f"{head}|"
        if not bar_format:
            said = f"{known['rate_fmt']}{known['postfix']}"
            line = f"{head}{known['n_fmt']}{unit} [{known['elapsed']}, {said}]"
            return trimmed(line, ncols) if ncols else line
    charset = BLANK if not total else ascii if isinstance(ascii, str) else (
        ASCII if ascii else BLOCKS
    )  # fmt: skip
    return _filled(bar_format, known, n / total if total else 0.0, charset, colour, ncols)


def _filled(
    form: str,
    known: dict[str, Any],
    share: float,
    charset: str,
    colour: str | None,
    ncols: int | None,
) -> str:
    gap = _Gap()
    bare = form.format(bar=gap, **known)
    if not gap.asked:
        return trimmed(bare, ncols) if ncols else bare
    length = max(1, ncols - display_width(bare)) if ncols else 10
    line = form.format(bar=Bar(share, length, charset, colour), **known)
    return trimmed(line, ncols) if ncols else line


def _fields(
    n: float,
    total: float | None,
    elapsed: float,
    rate: float | None,
    initial: float,
    unit: str,
    postfix: Any,
    *,
    prefixed: bool,
    divisor: float,
) -> dict[str, Any]:
    """Return the names that a format of the line may have, and what they stand for."""
    if rate is None and elapsed:
        rate = (n - initial) / elapsed
    inverse = 1 / rate if rate else None

    def amount(number: float | None, form: str = "") -> str:
        if number is None or (form and not number):
            return "?"
        scaled = format_sizeof(number, divisor=divisor)
        return scaled if prefixed else f"{number:{form}}"

    per_second = f"{amount(rate, '5.2f')}{unit}/s"
    per_step = f"{amount(inverse, '5.2f')}s/{unit}"
    left = (total - n) / rate if rate and total else 0.0
    remaining = format_interval(left) if rate and total else "?"
    try:
        eta = datetime.now() + timedelta(seconds=left)  # noqa: DTZ005 - the clock on the wall
    except OverflowError:
        eta = datetime.max  # noqa: DTZ901 - the end of the calendar
    said = postfix if not isinstance(postfix, str | None) else f", {postfix}" if postfix else ""
    known = {
        "n_fmt": amount(n),
        "total_fmt": amount(total),
        "elapsed": format_interval(elapsed),
        "rate": inverse if inverse and inverse > 1 else rate,
        "rate_fmt": per_step if inverse and inverse > 1 else per_second,
        "rate_noinv": rate,
        "rate_noinv_fmt": per_second,
        "rate_inv": inverse,
        "rate_inv_fmt": per_step,
        "postfix": said,
        "remaining": remaining,
        "remaining_s": left,
        "eta": eta,
    }
    behind = f"{known['rate_fmt']}{said}" if isinstance(said, str) else known["rate_fmt"]
    known["r_bar"] = (
        f"| {known['n_fmt']}/{known['total_fmt']} [{known['elapsed']}<{remaining}, {behind}]"
    )
    return known
