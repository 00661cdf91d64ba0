"""HTML is a document that parses, with every value escaped."""

from __future__ import annotations

import datetime as dt
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa

from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


class Cells(HTMLParser):
    """The texts of the cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        self._inside = tag in {"td", "th"}

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def write(frame: object, path: Path, **options: Any) -> str:
    return Export(frame, path, options=options).run(Progress()).path.read_text()


def test_values_come_back(tmp_path: Path) -> None:
    frame = pl.DataFrame({"<a>": ["<script>&amp;</td>", None, "é\nx"], "n": [1.5, 2.0, None]})
    text = write(frame, tmp_path / "t.html", title="A & B", language="de")
    assert text.startswith('<!DOCTYPE html>\n<html lang="de">')
    assert "<caption>A &amp; B</caption>" in text
    assert '<td class="number">1.5</td>' in text
    assert Cells(text).rows == [
        ["<a>", "n"],
        ["<script>&amp;</td>", "1.5"],
        ["", "2.0"],
        ["é\nx", ""],
    ]


def test_moments_are_not_broken_at_their_hyphens(tmp_path: Path) -> None:
    day, text = pl.Series([dt.date(2024, 1, 1)]), pl.Series(["2024-01-01"])
    frame = pl.DataFrame({"a": text, "b": day, "c": day.cast(pl.Datetime)})
    style = "td:nth-child(2),td:nth-child(3){white-space:nowrap}</style>"
    assert style in write(frame, tmp_path / "t.html")
    assert "nth-child" not in write(frame[:, :1], tmp_path / "u.html")
    assert "nth-child" not in write(frame, tmp_path / "f.html", fragment=True)


def test_each_text_runs_as_its_first_letter_does(tmp_path: Path) -> None:
    text = write(pl.DataFrame({"שם": ["שלום (abc)"]}), tmp_path / "t.html", title="דוח")
    (rule,) = re.findall(r"[^}]*{[^}]*unicode-bidi:plaintext[^}]*}", text)
    assert rule.partition("{")[0] == "caption,th,td"


def test_a_fragment_is_only_the_table(tmp_path: Path) -> None:
    text = write(pa.table({"a": pa.array([], pa.int64())}), tmp_path / "t.htm", fragment=True)
    assert text.startswith("<table>\n")
    assert text.endswith("<tbody>\n</tbody>\n</table>\n")


def test_rows_stay_in_order_over_units(tmp_path: Path) -> None:
    text = write(pl.DataFrame({"n": range(140_000)}), tmp_path / "t.html")
    assert [int(row[0]) for row in Cells(text).rows[1:]] == list(range(140_000))
