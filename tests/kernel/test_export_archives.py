"""Archives and workbooks are opened by the programs that people have, not only by libraries."""

from __future__ import annotations

import csv
import datetime as dt
import os
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import polars as pl
import programs
import pytest

from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Opener = Callable[[Path, Path], None]

PASSWORD = "open sésame"
LARGE = 2**32 + 12_345

CONTENT: dict[str, object] = {
    "sales.csv": pl.DataFrame({"n": range(200_000), "t": ["ä,b"] * 200_000}),
    "data/sales.parquet": pl.DataFrame({"n": range(1_000)}),
    "notes.md": "héllo",
    "data/图 1.bin": os.urandom(3 * 2**20),
    "empty": b"",
}


def write(content: object, path: Path, **options: Any) -> None:
    Export(content, path, options=options).run(Progress())


def run(program: str, *arguments: object, folder: Path) -> str:
    """Run a program in a folder of its own, and return what it says."""
    command = [programs.path(program), *map(str, arguments)]
    env = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, said
    return said


def unzip(path: Path, folder: Path) -> None:
    run("unzip", "-q", path, folder=folder)


def seven_zip(path: Path, folder: Path) -> None:
    run("7z", "x", "-y", f"-p{PASSWORD}", path, folder=folder)


def bsdtar(path: Path, folder: Path) -> None:
    run("bsdtar", "--passphrase", PASSWORD, "-xf", path, folder=folder)


def tar(path: Path, folder: Path) -> None:
    run("tar", "-xf", path, folder=folder)


def seven_zip_twice(path: Path, folder: Path) -> None:
    """Unpack what is packed and then archived, which this program does in two steps."""
    run("7z", "x", "-y", path, folder=folder)
    (inner,) = folder.iterdir()
    run("7z", "x", "-y", inner, folder=folder)
    inner.unlink()


def python_zip(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)


def python_tar(path: Path, folder: Path) -> None:
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")


# How it is packed, and who opens it.
ZIPS: dict[str, tuple[dict[str, Any], list[Opener]]] = {
    "stored": ({"compression": "stored"}, [unzip, seven_zip, bsdtar, python_zip]),
    "deflate": ({}, [unzip, seven_zip, bsdtar, python_zip]),
    "level 9": ({"compression_level": 9}, [unzip, seven_zip, bsdtar, python_zip]),
    # unzip 6 and Python know no AES.
    "aes": ({"password": PASSWORD}, [seven_zip, bsdtar]),
}
TARS: dict[str, list[Opener]] = {
    "tar": [tar, bsdtar, seven_zip, python_tar],
    "tar.gz": [tar, bsdtar, seven_zip_twice, python_tar],
    "tar.zst": [tar, bsdtar],
    "tar.bz2": [tar, bsdtar, seven_zip_twice, python_tar],
    "tar.xz": [tar, bsdtar, seven_zip_twice, python_tar],
}


SLOW = {"tar.bz2", "tar.xz"}


def _name(opener: Opener) -> str:
    return str(getattr(opener, "__name__", opener))


def check(openers: list[Opener], path: Path, folder: Path) -> None:
    for opener in openers:
        out = folder / _name(opener)
        out.mkdir()
        opener(path, out)
        files = {str(each.relative_to(out)) for each in out.rglob("*") if each.is_file()}
        assert files == set(CONTENT), _name(opener)
        for name, value in CONTENT.items():
            found = out / name
            if isinstance(value, pl.DataFrame):
                read = pl.read_csv if name.endswith("csv") else pl.read_parquet
                assert read(found).equals(value), (_name(opener), name)
            else:
                expected = value.encode() if isinstance(value, str) else value
                assert found.read_bytes() == expected, (_name(opener), name)


@pytest.mark.parametrize("how", ZIPS)
def test_a_zip_is_opened_by_everybody(how: str, tmp_path: Path) -> None:
    options, openers = ZIPS[how]
    write(CONTENT, tmp_path / "a.zip", **options)
    check(openers, tmp_path / "a.zip", tmp_path)


@pytest.mark.parametrize(
    "suffix",
    [pytest.param(suffix, marks=[pytest.mark.faults] if suffix in SLOW else []) for suffix in TARS],
)
def test_a_tar_is_opened_by_everybody(suffix: str, tmp_path: Path) -> None:
    write(CONTENT, tmp_path / f"a.{suffix}")
    check(TARS[suffix], tmp_path / f"a.{suffix}", tmp_path)


@pytest.mark.faults
@pytest.mark.parametrize("compression", ["stored", "deflate"])
def test_a_zip_beyond_four_gibibytes_is_opened_by_everybody(
    compression: str, tmp_path: Path
) -> None:
    large = tmp_path / "large.bin"
    with large.open("wb") as file:  # mostly holes, which take no room on the disk
        for place in (0, 2**31, 2**32 - 100, LARGE - 1_000):
            file.seek(place)
            file.write(os.urandom(1_000))
    path = tmp_path / "a.zip"
    content = {"first.txt": "one", "large.bin": large, "last.csv": CONTENT["sales.csv"]}
    write(content, path, compression=compression)
    assert (path.stat().st_size > 2**32) == (compression == "stored")
    for program, *arguments in (
        ("unzip", "-tq"),
        ("7z", "t"),
        ("bsdtar", "-tvf"),
    ):
        said = run(program, *arguments, path, folder=tmp_path)
        assert program != "bsdtar" or str(LARGE) in said
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert archive.getinfo("large.bin").file_size == LARGE
        assert pl.read_csv(archive.read("last.csv")).equals(content["last.csv"])
    path.unlink()
    large.unlink()


# https://help.libreoffice.org/latest/en-US/text/shared/guide/csv_params.html: commas, UTF-8, as
# shown, and a file for each sheet.
FILTER = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
SHEETS = {
    "all kinds": (
        pl.DataFrame(
            {
                "n": [1, -(10**9), None],
                "x": [0.5, None, -1.25],
                "text": ['she said "<no> & yes"', " blanks ", "=1+1 \n日本 _x0041_"],
                "day": [dt.date(2013, 1, 2), None, dt.date(1900, 3, 1)],
                "when": [dt.datetime(2013, 1, 2, 3, 4, 5), None, None],  # noqa: DTZ001
                "ok": [True, False, None],
                "old": [dt.date(1815, 6, 18), None, None],
                "large": [2**60 + 1, None, None],
                "span": [dt.timedelta(hours=30, minutes=1), None, None],
            }
        ),
        [
            ["n", "x", "text", "day", "when", "ok", "old", "large", "span"],
            [
                "1",
                "0.5",
                'she said "<no> & yes"',
                "2013-01-02",
                "2013-01-02 03:04:05",
                "TRUE",
                "1815-06-18",
                str(2**60 + 1),
                "30:01:00",
            ],
            ["-1000000000", "", " blanks ", "", "", "FALSE", "", "", ""],
            ["", "-1.25", "=1+1 \n日本 _x0041_", "1900-03-01", "", "", "", "", ""],
        ],
    ),
    "many": (
        pl.DataFrame({"n": range(40_000), "t": [f"row {n}" for n in range(40_000)]}),
        [["n", "t"], *([str(n), f"row {n}"] for n in range(40_000))],
    ),
}


@pytest.mark.faults
def test_a_workbook_is_opened_by_libreoffice(tmp_path: Path) -> None:
    path = tmp_path / "book.xlsx"
    write({name: frame for name, (frame, _) in SHEETS.items()}, path)
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    run("soffice", profile, "--headless", "--convert-to", FILTER, path, folder=tmp_path)
    for name, (_, expected) in SHEETS.items():
        with (tmp_path / f"book-{name}.csv").open(encoding="utf-8", newline="") as file:
            assert list(csv.reader(file)) == expected
