"""What Excel takes as the name of a sheet."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from progresswidget.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from progresswidget.export.writers import Heading

LONGEST: Final = 31
_FORBIDDEN: Final = re.compile(r"[\[\]:*?/\\\x00-\x1f\ud800-\udfff\ufffe\uffff]")
_RULE: Final = (
    f"A name has 1 to {LONGEST} characters, none of them []:*?/\\, and no apostrophe at an end; "
    "History is Excel's own."
)


def check_names(headings: Sequence[Heading], only: str | None) -> list[str]:
    """Return the names of the sheets.

    Parameters
    ----------
    headings
        The sections. A name that is only that of the file is made to fit.
    only
        The name that the only sheet shall have.

    Raises
    ------
    OptionError
        If Excel would refuse a name, or two are the same for it.
    """
    if not headings:
        raise OptionError("A workbook needs at least one sheet.", "Give a frame.")
    if only is not None and len(headings) > 1:
        raise OptionError(
            "The option sheet_name is for a single frame.", "The keys of the dict are the names."
        )
    wanted = [_fitting(each.name) if each.after_file else each.name for each in headings]
    if only is not None:
        wanted = [only]
    seen: set[str] = set()
    for name in wanted:
        if not _good(name):
            raise OptionError(f"Excel does not take {name!r} as the name of a sheet.", _RULE)
        if name.casefold() in seen:
            raise OptionError(
                f"Two sheets have the name {name!r}.", "Excel does not tell case apart in names."
            )
        seen.add(name.casefold())
    return wanted


def unused(name: str, number: int, taken: Collection[str]) -> str:
    """Return the name of a further sheet: with its number, or the next that is not taken."""
    while True:
        ending = f" ({number})"
        candidate = _cut(name, LONGEST - len(ending)) + ending
        if candidate.casefold() not in taken:
            return candidate
        number += 1


def _good(name: str) -> bool:
    return (
        0 < _units(name) <= LONGEST
        and not _FORBIDDEN.search(name)
        and not name.startswith("'")
        and not name.endswith("'")
        and name.casefold() != "history"
    )


def _fitting(name: str) -> str:
    fitting = _cut(_FORBIDDEN.sub("_", name), LONGEST).strip("'")
    return fitting if _good(fitting) else "Sheet1"


def _cut(name: str, units: int) -> str:
    while _units(name) > units:
        name = name[:-1]
    return name


def _units(name: str) -> int:
    return len(name.encode("utf-16-le", "surrogatepass")) // 2
