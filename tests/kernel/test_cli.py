from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import polars as pl
import pytest

from progresswidget.cli import main, parse_value

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_server")


def test_what_a_shell_makes_of_a_pattern_is_one_table(parquet: Path) -> None:
    other = parquet.with_name("more.parquet")
    pl.DataFrame({"a": [3], "b": ["y"]}).write_parquet(other)
    target = parquet.with_name("out.csv")
    assert main(["export", str(other), str(parquet), str(target), "-o", "header=false"]) == 0
    assert target.read_text() == "3,y\n1,x\n2,\n"
    packed = parquet.with_name("out.zip")
    assert main(["export", str(other), str(parquet), str(packed)]) == 0
    assert zipfile.ZipFile(packed).namelist() == ["more.parquet", "in.parquet"]


def test_a_forgotten_target_costs_no_file(
    parquet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, last = parquet.with_name("j.parquet"), parquet.with_name("z.parquet")
    for each in (other, last):
        pl.DataFrame({"a": [3], "b": ["y"]}).write_parquet(each)
    before = last.read_bytes()
    assert main(["export", str(parquet), str(other), str(last)]) == 1
    assert last.read_bytes() == before
    assert "not known as the file of an export" in capsys.readouterr().err
    target = str(parquet.with_name("all.csv"))
    for _ in range(2):  # what an export has written, the next one may replace
        assert main(["export", str(parquet), str(other), target]) == 0


def test_columns_and_rows_are_chosen(parquet: Path) -> None:
    target = parquet.with_name("out.csv")
    words = ["export", str(parquet), str(target), "--column", "b", "--column", "a"]
    assert main([*words, "--where", "a < 2"]) == 0
    assert target.read_text() == "b,a\nx,1\n"


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "in.parquet"
    pl.DataFrame({"a": [1, 2], "b": ["x", None]}).write_parquet(path)
    return path


def test_a_file_becomes_another(parquet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = parquet.with_name("out.csv")
    assert main(["export", str(parquet), str(target)]) == 0
    assert target.read_text() == "a,b\n1,x\n2,\n"
    assert capsys.readouterr().out == f"{target}\n"


def test_the_module_runs(parquet: Path) -> None:
    target = parquet.with_name("out.csv.gz")
    command = [sys.executable, "-m", "progresswidget", "export", str(parquet), str(target)]
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert (told["rows"], told["columns"], told["reused"]) == (2, 2, 0)
    assert told["bytes"] == target.stat().st_size
    again = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(again.stdout)["reused"] == 2


def test_options_reach_the_writer(parquet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = parquet.with_name("out.csv")
    options = ["-o", "null=NA", "-o", "header=false", "-o", "delimiter=;"]
    assert main(["export", str(parquet), str(target), *options, "--quiet"]) == 0
    assert target.read_text() == "1;x\n2;NA\n"
    assert capsys.readouterr().out == ""


def test_errors_are_told_without_a_traceback(
    parquet: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = parquet.with_name("out.csv")
    assert main(["export", str(parquet), str(target), "-o", "nul=NA"]) == 1
    assert "Did you mean null?" in capsys.readouterr().err
    assert main(["export", str(parquet), str(target), "-o", "null"]) == 1
    assert "NAME=VALUE" in capsys.readouterr().err
    assert main(["export", str(parquet.with_name("none.parquet")), str(target)]) == 1
    assert "none.parquet" in capsys.readouterr().err
    target.write_text("old")
    assert main(["export", str(parquet), str(target), "--no-overwrite"]) == 1
    assert target.read_text() == "old"


def test_usage_is_an_error_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["export"])
    assert stop.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_formats_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["formats"]) == 0
    text = capsys.readouterr().out
    assert "parquet" in text
    assert "spreadsheet_safe" in text
    assert ".csv (.gz .zst .bz2 .xz)" in text


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "progresswidget", "formats"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        assert listing.stdout is not None
        assert listing.stderr is not None
        listing.stdout.close()
        assert listing.stderr.read() == b""
    assert listing.returncode == 1


def test_values_are_read_as_what_they_look_like() -> None:
    texts = ["true", "False", "3", "1.5", "NA", "null", '["a"]', "\\t", ""]
    assert [parse_value(text) for text in texts] == [
        True, False, 3, 1.5, "NA", None, ["a"], "\t", "",
    ]  # fmt: skip


def test_ctrl_c_says_130(tmp_path: Path) -> None:
    source = tmp_path / "in.parquet"
    pl.DataFrame({"a": range(3_000_000)}).write_parquet(source)
    command = [sys.executable, "-m", "progresswidget", "export", str(source)]
    with subprocess.Popen(
        [*command, str(tmp_path / "out.csv.xz")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PROGRESSWIDGET_LANGUAGE": "en"},
    ) as process:
        while process.poll() is None and not list(tmp_path.glob(".*.part")):
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert "Run it again" in errors  # there is no cell
    assert not (tmp_path / "out.csv.xz").exists()
