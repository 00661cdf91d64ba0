"""Lines of Hebrew and Arabic, and letters with marks: in which order a PDF has which glyphs."""

from __future__ import annotations

import io
import re
import sys
import unicodedata
from typing import Any

import pyarrow as pa
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from progresswidget.export import fonts, shaping
from progresswidget.export.formats import FORMATS
from progresswidget.export.options import resolve
from progresswidget.export.writers import Heading
from progresswidget.export.writers.report import tidy
from progresswidget.export.writers.report_pages import wrap

FORMAT = FORMATS["pdf"]
ALPHABET = "aé1 ().,-%[]שלוםּאبحمرا،٣ِّกำक्षि\u0301\u200d\u200f\U000e01ef中😀"


def printed(text: str) -> list[tuple[float, str]]:
    """Return the places and the characters of a cell in the order in which a PDF has them."""
    table = pa.table({"a name that is wide": [text], "filler": ["x" * 90]})
    values = resolve(FORMAT.options, {"title": "t"}, owner="pdf")
    writer = FORMAT.make([Heading("t", table.schema)], values)
    writer.encode(table.to_batches(), 0, 0)
    page: Any = pypdf.PdfReader(io.BytesIO(b"".join(writer.tail((), 0)))).pages[0]
    x, characters, found = 0.0, {}, []
    for operands, operator in page.get_contents().operations:
        if operator == b"Tm":
            x = float(operands[4])
        elif operator == b"Tf":
            font = page["/Resources"]["/Font"][operands[0]]
            unicode = font["/ToUnicode"].get_data().decode() if "/ToUnicode" in font else ""
            pairs = re.findall("<(..)> <(.{4})>", unicode)
            characters = {int(code, 16): chr(int(value, 16)) for code, value in pairs}
        elif operator == b"Tj":
            codes = operands[0].original_bytes
            found.append((x, "".join(characters[code] for code in codes)))
    begin = next(at for at, (_, each) in enumerate(found) if each == "filler") + 1
    end = next(at for at, (_, each) in enumerate(found) if each.startswith("xxx"))
    return found[begin:end]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("שלום (עולם) 12.5", "12.5 (םלוע) םולש"),
        ("abc (שלום) [1]", "abc (םולש) [1]"),
        ("א)a", "a(א"),
        ("abc < שלום < דג", "abc < גד > םולש"),
        ("שלום 3 < 5", "5 > 3 םולש"),
        ("ש\u200fל", "לש"),
    ],
)
def test_hebrew_stands_from_the_right_and_numbers_and_latin_from_the_left(
    text: str, shown: str
) -> None:
    assert "".join(each for _, each in printed(text)) == shown


def test_arabic_letters_have_the_forms_that_they_take_beside_each_other() -> None:
    shown = "".join(each for _, each in printed("سلام"))
    assert shown == "م\ufefc\ufeb3"  # meem alone, lam with alef that ends, seen that begins
    assert unicodedata.normalize("NFKC", shown[::-1]) == "سلام"


def test_a_line_from_the_right_ends_where_its_column_does() -> None:
    (left, _), (right, _) = printed("abc")[0], printed("אבג")[0]
    assert right > left + 10


def test_marks_stand_above_and_below_their_letter() -> None:
    (first, letter), (second, mark) = printed("בְ")
    assert {letter, mark} == {"ב", "\u05b0"}
    assert abs(first - second) < 8
    assert "".join(each for _, each in printed("cafe\u0301 finds")) == "café finds"


def test_a_joined_line_is_as_wide_as_its_glyphs_and_narrower_than_its_letters() -> None:
    face = fonts.typeface(bold=False)
    text = "مرحبا بالعالم"
    assert face.width(text) == pytest.approx(sum(face.advances(text)))
    assert 0.2 < face.width(text) < sum(face.glyph(each)[2] for each in text)
    assert face.width("לא") == pytest.approx(face.glyph("ל")[2] + face.glyph("א")[2], rel=0.1)


def test_the_lines_of_a_text_run_as_its_first_letter_does() -> None:
    face = fonts.typeface(bold=False)
    width = face.width("שלום שלום")
    assert wrap("שלום שלום abc", face, width) == ["שלום שלום", "\u200fabc"]
    assert wrap("abcdefg שלום", face, width) == ["abcdefg", "\u200eשלום"]
    assert wrap("abcdefg שלום\nשלום", face, width)[2:] == ["שלום"]


@settings(max_examples=200, deadline=None)
@given(st.text(ALPHABET, max_size=30), st.floats(0.5, 10))
def test_any_line_is_set_and_wrapped(text: str, width: float) -> None:
    face = fonts.typeface(bold=False)
    text = tidy(text)
    if shaping.is_needed(text):
        assert all(-1 <= each.x <= face.width(text) for each in shaping.glyphs(text, face))
    lines = wrap(text, face, width)
    marks = dict.fromkeys(map(ord, "\u200e\u200f "))
    assert "".join(lines).translate(marks) == text.translate(marks)


@pytest.mark.parametrize("library", ["bidi", "uharfbuzz"])
def test_without_the_libraries_letters_stand_one_after_another(
    monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    shaping._is_possible.cache_clear()
    try:
        assert "".join(each for _, each in printed("שלום (abc)")) == "שלום (abc)"
    finally:
        shaping._is_possible.cache_clear()
