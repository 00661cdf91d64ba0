"""Rows of XML have their cells in place, however many are joined at a time."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from progresswidget.export.writers import xlsx_package as package
from progresswidget.export.writers import xlsx_rows
from progresswidget.export.writers.xlsx_cells import Form

ROWS = 7
CONTENTS = st.lists(st.none() | st.text(max_size=3), min_size=ROWS + 3, max_size=ROWS + 3)


def form(number: int, contents: list[str | None], skipped: int) -> Form:
    texts = pa.array(contents, pa.large_string()).slice(skipped, ROWS)
    return Form(f'" s="{number}">', texts, f"</{number}>")


def written(forms: list[list[Form]], first: int) -> str:
    """Return the rows as Python joins them."""
    rows = []
    for row in range(ROWS):
        cells = [
            f'<c r="{"AB"[column]}{first + row}{each.before}{each.contents[row]}{each.after}'
            for column, found in enumerate(forms)
            for each in found
            if each.contents[row].is_valid
        ]
        rows.append(f'<row r="{first + row}">{"".join(cells)}</row>')
    return "".join(rows)


@pytest.mark.parametrize("step", [1, 3, ROWS, 100])
@given(st.lists(st.lists(CONTENTS, min_size=1, max_size=2), max_size=2), st.integers(0, 3))
def test_rows_are_joined_in_steps(
    step: int, given: list[list[list[str | None]]], skipped: int
) -> None:
    forms = [[form(number, each, skipped) for number, each in enumerate(x)] for x in given]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xlsx_rows, "CELLS", 1)
        patch.setattr(xlsx_rows, "FEWEST", step)

        # 10 is among them: their numbers are not of one length.
        steps = [bytes(part) for part in xlsx_rows.join(forms, 5, ROWS)]

    assert len(steps) == -(-ROWS // step)
    assert b"".join(steps).decode() == written(forms, 5)


@given(cuts=st.lists(st.integers(0, 3 * package.STEP), max_size=4), last=st.booleans())
def test_what_is_deflated_is_the_same_wherever_it_is_cut(*, cuts: list[int], last: bool) -> None:
    data = b"".join(b"<v>%d</v>" % (number * number) for number in range(60_000))
    ends = [*sorted(cuts), len(data)]
    blocks: list[Any] = [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    assert package.deflate(blocks, last=last)[0] == package.deflate([data], last=last)[0]
    assert package.deflate(blocks, last=last)[1] == package.deflate([data], last=last)[1]
