"""Texts: both languages say the same things, and numbers read as people write them."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from progresswidget import errors, texts
from progresswidget.cli import main


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_text_is_there_in_both_languages_with_the_same_fields() -> None:
    assert texts.ENGLISH.keys() == texts.CHINESE.keys()
    for key, text in texts.ENGLISH.items():
        assert fields(text) == fields(texts.CHINESE[key]), key


@pytest.mark.parametrize(
    ("variables", "table"),
    [
        ({}, texts.ENGLISH),
        ({"LANG": "zh_CN.UTF-8"}, texts.CHINESE),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, texts.ENGLISH),
        ({"LANG": "de_DE.UTF-8"}, texts.ENGLISH),
        ({"LC_ALL": "C", "PROGRESSWIDGET_LANGUAGE": "zh"}, texts.CHINESE),
    ],
)
def test_a_terminal_speaks_the_language_of_the_locale(
    variables: dict[str, str], table: texts.Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG", "PROGRESSWIDGET_LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert texts.terminal_table() is table


def test_what_is_saved_does_not_follow_the_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    monkeypatch.delenv("PROGRESSWIDGET_LANGUAGE", raising=False)
    assert texts.saved_table() is texts.ENGLISH
    monkeypatch.setenv("PROGRESSWIDGET_LANGUAGE", "zh")
    assert texts.saved_table() is texts.CHINESE


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (33_100_000, "33.1 MB"), (10**15, "1000.0 TB")],
)
def test_sizes(number: int, text: str) -> None:
    assert texts.size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.44, "0.4 s"), (12.3, "12 s"), (59.6, "1:00"), (185, "3:05"), (3765, "1:02:45")],
)
def test_durations(seconds: float, text: str) -> None:
    assert texts.duration(seconds) == text


def test_counts() -> None:
    assert texts.count(336776) == "336,776"


@pytest.mark.parametrize(
    ("number", "english", "chinese"),
    [
        (0, "0 rows", "0 行"),
        (1, "1 row", "1 行"),
        (1.4, "1 row", "1 行"),
        (2e3, "2,000 rows", "2,000 行"),
    ],
)
def test_one_is_no_plural(number: float, english: str, chinese: str) -> None:
    assert texts.counted(texts.ENGLISH, "rows", number) == english
    assert texts.counted(texts.CHINESE, "rows", number) == chinese
    assert texts.amount(texts.ENGLISH, "export", number) == english
    assert texts.counted(texts.ENGLISH, "columns", 1) == "1 column"
    assert texts.counted(texts.CHINESE, "columns", 1) == "1 列"


# The base of all errors, and what the page has words for in both languages.
SAID = {"error", "cancelled", "keyboard-interrupt", "kernel-stopped", "transfer-stopped"}


def test_every_error_of_the_engine_has_a_sentence_in_chinese() -> None:
    known = [each for each in vars(errors).values() if isinstance(each, type)]
    codes = {each.code for each in known if issubclass(each, errors.ProgressWidgetError)}
    assert codes - SAID <= texts.CHINESE_ERRORS.keys()
    assert all(re.search(r"[\u4e00-\u9fff]", text) for text in texts.CHINESE_ERRORS.values())


def test_the_page_says_the_same_of_errors() -> None:
    twins = Path(texts.__file__).parent / "js/src/i18n"
    about = (twins / "chinese_errors.ts").read_text(encoding="utf-8")
    pairs = dict(re.findall(r"^  '?([a-z-]+)'?: '(.+)',$", about, re.MULTILINE))
    said = (twins / "lab" / "chinese.ts").read_text(encoding="utf-8")
    for code in ("server-stopped", "memory-limit", "time-limit"):
        (pairs[code],) = re.findall(rf"'{code}': {{\s*message: '(.+?)'", said)
    assert pairs == texts.CHINESE_ERRORS


def test_a_command_says_what_is_wrong_in_the_language_of_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {}
    for language in ("en", "zh"):
        monkeypatch.setenv("PROGRESSWIDGET_LANGUAGE", language)
        assert main(["export", str(tmp_path / "a.csv"), str(tmp_path / "a.nonsense")]) != 0
        said[language] = capsys.readouterr().err.removeprefix("progresswidget: ")
    assert said["zh"] == f"{texts.CHINESE_ERRORS['unsupported-format']}\n{said['en']}"
