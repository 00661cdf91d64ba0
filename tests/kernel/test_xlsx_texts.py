"""Texts of cells are escaped where XML needs it, whatever they look like and however they lie."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from progresswidget.export.writers import xlsx_texts

ODD = re.compile(
    r"[&<>\x00-\x08\x0B-\x1F\uFFFE\uFFFF]|_x[0-9A-Fa-f]{4}|\A[ \t\n]|[ \t\n]\Z",
)
BREAKS = "&<>\x00\x08\t\n\x0b\r\x1f \ufffd\ufffe\uffff_x0aG"
TEXTS = st.lists(st.none() | st.text(st.sampled_from(BREAKS) | st.characters(codec="utf-8")))


@given(TEXTS, st.integers(0, 3))
def test_only_texts_that_cannot_be_written_as_they_are_become_others(
    given: list[str | None], skipped: int
) -> None:
    array = pa.array(given, pa.large_string()).slice(skipped)
    odd = any(text is not None and ODD.search(text) for text in given[skipped:])

    escaped = xlsx_texts.escaped(array)

    assert (escaped is not None) is odd
    if escaped is not None:
        for text, written in zip(given[skipped:], escaped.to_pylist(), strict=True):
            assert (written is None) is (text is None)
            assert text is None or (written == text or ODD.search(text))


@given(st.lists(st.none() | st.text(max_size=6)), st.integers(0, 6), st.integers(0, 3))
def test_the_rows_of_long_texts_are_found(given: list[str | None], most: int, skipped: int) -> None:
    array = pa.array(given, pa.large_string()).slice(skipped)
    rows = [
        row
        for row, text in enumerate(given[skipped:])
        if text is not None and len(text.encode()) > most
    ]

    assert xlsx_texts.longer(array, most) == rows


@pytest.mark.parametrize(
    "kind",
    [
        pa.string(),
        pa.large_string(),
        pa.string_view(),
        pa.dictionary(pa.int32(), pa.string()),
    ],
    ids=str,
)
def test_texts_of_every_layout_are_joined(kind: pa.DataType) -> None:
    arrays = [
        pa.array(["a", None, "a text of more than twelve bytes"]).cast(kind),
        pa.array(["", "a"]).cast(kind),
    ]

    assert all(xlsx_texts.is_plain(array.type) for array in arrays)
    joined = xlsx_texts.joined(arrays)

    assert joined.type == pa.large_string()
    assert joined.to_pylist() == ["a", None, "a text of more than twelve bytes", "", "a"]


def test_a_dictionary_of_views_is_joined() -> None:
    words = pa.array(["a", "a text of more than twelve bytes"]).cast(pa.string_view())
    array = pa.DictionaryArray.from_arrays(pa.array([1, None, 0]), words)

    assert xlsx_texts.joined([array]).to_pylist() == ["a text of more than twelve bytes", None, "a"]
