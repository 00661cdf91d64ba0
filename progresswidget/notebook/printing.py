"""Frames on a page that is printed: paper does not scroll, and would end at its edge.

What is too wide becomes several tables, as in Word: each has some of the columns, behind those that
name the rows.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Final

from progresswidget.notebook.tables import covered, cut, grid_of

if TYPE_CHECKING:
    from progresswidget.export.writers.report_widths import Strip
    from progresswidget.notebook.tables import Table

FRAMES: Final = "table.dataframe"
"""The tables of pandas, polars and Dask."""
ROOM: Final = 390.0
"""Points beside the prompts of an upright sheet, in type of the size that tables of Word have."""


def in_strips(page: str) -> str:
    """Return a page whose frames are no wider than a sheet."""
    from bs4 import BeautifulSoup

    soup: Any = BeautifulSoup(page, "html.parser")
    for each in soup.select(FRAMES):
        if each.select_one("table"):
            continue
        table = grid_of(each)
        split, _ = cut(table, ROOM)
        if len(split) > 1:
            each.replace_with(*(_part(soup, each, table, strip) for strip in split))
    return str(soup)


def _part(soup: Any, whole: Any, table: Table, strip: Strip) -> Any:
    part = soup.new_tag("table", attrs=dict(whole.attrs))
    for name, rows in (("thead", range(table.head)), ("tbody", range(table.head, len(table.grid)))):
        section = soup.new_tag(name)
        part.append(section)
        for at in rows:
            line = soup.new_tag("tr")
            section.append(line)
            for place, columns in covered(table.grid[at], strip):
                if at and table.grid[at - 1][columns[0]] is place:
                    continue  # it has begun above
                cell = soup.new_tag("td") if place.cell is None else copy(place.cell)
                cell["colspan"] = str(len(columns))
                line.append(cell)
    return part
