"""How a file is called where its kernel has another disk than the server."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest

from progresswidget.sending import relative


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("/home/a/sales.csv", "/home/a", "sales.csv"),
        ("/home/a/out/sales.csv", "/home/a", "out/sales.csv"),
        ("/data/sales.csv", "/home/a", "sales.csv"),
        ("/home/ab/sales.csv", "/home/a", "sales.csv"),
        ("/sales.csv", "/", "sales.csv"),
    ],
)
def test_the_path_as_seen_from_the_working_directory(path: str, folder: str, expected: str) -> None:
    assert relative(PurePosixPath(path), PurePosixPath(folder)) == expected


def test_slashes_on_every_system() -> None:
    assert relative(PureWindowsPath(r"C:\a\out\b.csv"), PureWindowsPath(r"C:\a")) == "out/b.csv"
