from __future__ import annotations

import os
import zipfile
from typing import TYPE_CHECKING

import polars as pl
import pytest

from progresswidget.errors import (
    OptionError,
    ProgressWidgetError,
    SourceChangedError,
    SourceError,
    UnsupportedSourceError,
)
from progresswidget.export.formats import find_format
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.sections import Blob, find_sections

if TYPE_CHECKING:
    from pathlib import Path

ZIP = find_format("a.zip")
FRAME = pl.DataFrame({"n": [1]})


def names(given: object, path: Path | None = None, **options: object) -> list[str]:
    return [section.name for section in find_sections(given, "a", ZIP, options, path)[0]]


def test_frames_are_named_and_get_a_format() -> None:
    assert names(FRAME) == ["a.csv"]
    assert names([FRAME, FRAME], entry_format="parquet") == ["frame_1.parquet", "frame_2.parquet"]
    assert names({"x/sales": FRAME, "y.csv.gz": FRAME}) == ["x/sales.csv", "y.csv.gz"]


@pytest.mark.parametrize("name", ["../a", "/a", "a//b", "a/../b", "", "c:a", "a\\b", "x" * 65_536])
def test_names_that_would_unpack_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(OptionError, match="entry name"):
        names({name: b""})


def test_a_name_cannot_be_had_twice(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "n.md").write_text("")
    with pytest.raises(OptionError, match="Two entries"):
        names([tmp_path / "x" / "n.md", str(tmp_path / "y" / "n.md")])
    with pytest.raises(OptionError, match="folder too"):
        names({"a": b"", "a/b": b""})


def test_a_folder_keeps_names_hidden_files_and_not_the_archive(tmp_path: Path) -> None:
    top = tmp_path / "top"
    (top / "sub" / "void").mkdir(parents=True)
    for number in range(1_000):
        (top / "sub" / f"{number:04}.txt").write_text(str(number))
    (top / ".hidden").write_text("h")
    (top / "link").symlink_to(top / ".hidden")
    (top / "a.zip").write_text("old")
    found = names(top, top / "a.zip")
    assert found[:2] == ["top/.hidden", "top/link"]
    assert "top/a.zip" not in found
    assert "top/sub/void/" in found
    assert len(found) == 1_003
    Export([top / "sub"], tmp_path / "b.zip").run(Progress())
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("sub/0999.txt") == b"999"


def test_links_out_of_a_folder_and_pipes_are_refused(tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    (tmp_path / "secret").write_text("s")
    (top / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(UnsupportedSourceError, match="link"):
        names(top)
    (top / "link").unlink()
    os.mkfifo(top / "pipe")
    with pytest.raises(UnsupportedSourceError, match="neither"):
        names(top)


def test_a_file_that_changes_or_goes_is_told(tmp_path: Path) -> None:
    file = tmp_path / "n.bin"
    file.write_bytes(bytes(10_000_000))
    (section,), _ = find_sections(file, "a", ZIP, {})
    assert isinstance(section.content, Blob)
    chunks = section.content.chunks()
    next(chunks)
    file.write_bytes(b"new")
    with pytest.raises(SourceChangedError):
        list(chunks)
    file.unlink()
    with pytest.raises(SourceChangedError):
        next(section.content.chunks())
    with pytest.raises(SourceError, match="not there"):
        names([file])


def test_options_go_to_the_formats_that_have_them(tmp_path: Path) -> None:
    content = {"a.csv": FRAME.with_columns(m=2), "b.parquet": FRAME}
    Export(content, tmp_path / "a.zip", options={"entry_options": {"delimiter": ";"}}).run(
        Progress()
    )
    assert zipfile.ZipFile(tmp_path / "a.zip").read("a.csv") == b"n;m\n1;2\n"
    for wrong in ({"delimeter": ";"}, {"delimiter": 1}):
        with pytest.raises(ProgressWidgetError):
            names(content, entry_options=wrong)
