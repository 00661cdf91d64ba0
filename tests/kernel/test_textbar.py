"""The bar of a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from progresswidget.textbar import TextBar, columns, draw_bar, draw_line

if TYPE_CHECKING:
    from progresswidget.protocol import Json


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROGRESSWIDGET_LANGUAGE", "en")


def report(**changes: object) -> Json:
    state: Json = {
        "kind": "export",
        "name": "flights.csv",
        "status": "running",
        "phase": "writing",
        "progress": 50.0,
        "rows": 500,
        "total": 1000,
        "bytes": 2048,
        "rate": 100.4,
        "eta": 5.0,
        "elapsed": 5.0,
    }
    return {**state, **changes}


def test_a_bar_fills_from_the_left() -> None:
    assert draw_bar(0, 4) == "    "
    assert draw_bar(50, 4) == "██  "
    assert draw_bar(62.5, 4) == "██▌ "
    assert draw_bar(100, 4) == "████"
    assert draw_bar(50, 4, unicode=False) == "##--"
    assert draw_bar(None, 4) == "····"
    for progress in range(101):
        assert len(draw_bar(progress, 24)) == 24


def test_a_line_says_how_far_it_is() -> None:
    line = draw_line(report())
    assert "flights.csv" in line
    assert " 50 %" in line
    assert "writing: 500 of 1,000 rows · 2.0 kB · 100 rows/s · 5.0 s left" in line


def test_a_single_row_is_told_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    single = report(rows=1, total=None, rate=1.0)
    assert "writing: 1 row · 2.0 kB · 1 row/s" in draw_line(single)
    assert "writing: 0 of 1 row ·" in draw_line(report(rows=0, total=1))
    monkeypatch.setenv("PROGRESSWIDGET_LANGUAGE", "zh")
    assert "正在写入：1 行 · 2.0 kB · 1 行/秒" in draw_line(single)
    assert "正在写入：0 / 1 行 ·" in draw_line(report(rows=0, total=1))


def test_a_transfer_is_told_in_bytes() -> None:
    moving = report(kind="download", phase="receiving", rows=5_000_000, total=10_000_000, rate=2e6)
    assert draw_line(moving).endswith("receiving: 5.0 MB of 10.0 MB · 2.0 MB/s · 5.0 s left")
    ended = report(kind="upload", status="done", rows=10_000_000, total=10_000_000)
    assert draw_line(ended).endswith("done: 10.0 MB · 5.0 s")


def test_an_unknown_total_claims_no_percentage() -> None:
    line = draw_line(report(progress=None, total=None, eta=None))
    assert "– %" in line
    assert "500 rows" in line
    assert "left" not in line


def test_the_end_says_how_long_it_took() -> None:
    line = draw_line(report(status="done", progress=100.0, rows=1000))
    assert "100 %" in line
    assert line.endswith("done: 1,000 rows · 2.0 kB · 5.0 s")


@pytest.mark.parametrize("width", [70, 79, 100])
def test_a_narrow_terminal_keeps_what_matters(width: int) -> None:
    line = draw_line(report(), width)
    assert len(line) <= width
    assert "500 of 1,000 rows" in line
    assert "5.0 s left" in line


@pytest.mark.parametrize("width", [60, 70, 79])
@pytest.mark.parametrize("name", ["flights.csv", "二〇一三年的航班.csv"])
def test_a_line_of_chinese_fits_its_terminal(
    width: int, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROGRESSWIDGET_LANGUAGE", "zh")
    line = draw_line(report(name=name), width)
    assert columns("行 1") == 4
    assert columns(line) <= width
    assert "正在写入：500 / 1,000 行" in line


@pytest.mark.parametrize("unicode", [True, False])
@pytest.mark.parametrize("name", ["a.csv", f"{'flights_of_2013_' * 5}.csv", f"{'航班' * 30}.csv"])
def test_no_figure_is_cut_and_no_name_hides_the_rest(name: str, *, unicode: bool) -> None:
    state = report(name=name, rows=1_234_567, total=2_000_000)
    for width in range(19, 120):
        line = draw_line(state, width, unicode=unicode)
        assert columns(line) <= width
        assert " 50 %" in line
        assert line.startswith(name[:2])
        assert ".csv " in line
        assert ("1,234,567 of 2,000,000 rows" in line) == ("1,2" in line)
        assert "1,2" in line or width < 80
        assert "writing" in line or width < 40


def test_rows_that_are_read_and_not_written_yet_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    read = report(phase="reading", progress=None, total=None, rows=0, read=26_000, rate=0, eta=None)
    assert draw_line(read).endswith("reading: 26,000 rows read")
    monkeypatch.setenv("PROGRESSWIDGET_LANGUAGE", "zh")
    assert draw_line(read).endswith("正在读取：已读取 26,000 行")


def test_what_stands_still_has_no_rate() -> None:
    assert "/s" not in draw_line(report(rate=0.0, eta=None))


def test_what_is_nearly_done_is_not_called_done() -> None:
    line = draw_line(report(phase="finishing", progress=99.9, rows=1000, eta=0.0))
    assert " 99 %" in line
    assert "left" not in line


def test_a_shorter_line_leaves_nothing_of_a_longer_one() -> None:
    terminal = Terminal()
    bar = TextBar(terminal)
    bar.draw(report())
    bar.draw(report(rate=None, eta=None))
    first, second = terminal.getvalue().split("\r")[1:]
    assert len(second) == len(first)
    bar.close()
    assert terminal.getvalue().endswith("\n")


def test_nothing_is_drawn_where_there_is_no_terminal() -> None:
    pipe = io.StringIO()
    bar = TextBar(pipe)
    bar.draw(report())
    bar.close()
    assert pipe.getvalue() == ""


def test_a_terminal_that_goes_away_stops_nothing() -> None:
    class Gone(Terminal):
        def write(self, _: str) -> int:
            raise OSError("gone")

    bar = TextBar(Gone())
    bar.draw(report())
    bar.draw(report(rows=600))
    bar.close()


def test_a_terminal_of_another_encoding_gets_ascii() -> None:
    class Old(Terminal):
        encoding = "latin-1"

    terminal = Old()
    TextBar(terminal).draw(report())
    terminal.getvalue().encode("ascii")
