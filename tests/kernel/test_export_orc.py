"""ORC files, read by pyarrow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.orc
import pytest

from progresswidget.errors import ColumnError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("compression", ["zstd", "snappy", "zlib", "lz4", "none", None])
def test_rows_come_back_in_order(compression: str | None, tmp_path: Path) -> None:
    table = pa.table({"n": list(range(150_000)), "t": [f"x{row}" for row in range(150_000)]})
    options = {"compression": compression}
    path = Export(table, tmp_path / "t.orc", options=options).run(Progress()).path
    file = pyarrow.orc.ORCFile(path)
    assert file.compression == (compression or "none").upper().replace("NONE", "UNCOMPRESSED")
    assert file.read().equals(table)


def test_a_frame_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    table = pa.table({"n": pa.array([], pa.int64()), "t": pa.array([], pa.string())})
    path = Export(table, tmp_path / "t.orc").run(Progress()).path
    assert pyarrow.orc.ORCFile(path).schema == table.schema


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({}), "without columns"),
        (pa.table([[1], [2]], ["a", "a"]), "'a'"),
        (pa.table({"d": pa.array([1], pa.duration("s"))}), r"'d' of type duration\[s\]"),
    ],
)
def test_what_orc_cannot_hold_is_refused_early(
    table: pa.Table, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ColumnError, match=message):
        Export(table, tmp_path / "t.orc")
    assert list(tmp_path.iterdir()) == []
