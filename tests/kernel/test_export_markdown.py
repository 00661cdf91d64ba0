"""Markdown tables keep each value in its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pytest

from progresswidget.errors import ColumnError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.writers.markdown import escape

if TYPE_CHECKING:
    from pathlib import Path


def write(frame: object, path: Path) -> str:
    return Export(frame, path).run(Progress()).path.read_text()


def test_cells_are_escaped_and_aligned(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a|b": ["x|y", "1\r\n2\n3", "a\\", None, "<b>"], "n": range(5)})
    assert write(frame, tmp_path / "t.md") == (
        "| a\\|b | n |\n| --- | ---: |\n| x\\|y | 0 |\n| 1<br>2<br>3 | 1 |\n"
        "| a\\\\ | 2 |\n|  | 3 |\n| &lt;b> | 4 |\n"
    )


def test_what_would_be_emphasis_or_a_formula_is_shown_as_it_is(tmp_path: Path) -> None:
    texts = ["_a_", "__init__", "snake_case_a_b_c", "$5 and $6", "a\\_b", "x_", "日_本", "_"]
    frame = pl.DataFrame({"__a_b__ $": texts})
    lines = write(frame, tmp_path / "t.md").splitlines()
    assert lines[0] == "| \\_\\_a_b\\_\\_ \\$ |"
    assert [line[2:-2] for line in lines[2:]] == [
        "\\_a\\_",
        "\\_\\_init\\_\\_",
        "snake_case_a_b_c",
        "\\$5 and \\$6",
        "a\\\\\\_b",
        "x\\_",
        "日_本",
        "\\_",
    ]
    assert lines[2:] == [f"| {escape(text)} |" for text in texts]


def test_a_table_needs_a_column(tmp_path: Path) -> None:
    with pytest.raises(ColumnError, match="needs a column"):
        Export(pa.table({}), tmp_path / "t.md")


def test_rows_stay_in_order_over_units(tmp_path: Path) -> None:
    lines = write(pl.DataFrame({"n": range(140_000)}), tmp_path / "t.markdown").splitlines()
    assert lines[2:] == [f"| {row} |" for row in range(140_000)]
