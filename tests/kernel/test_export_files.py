"""Files as sources: every kind gives its rows, its columns and its total, and must not change."""

from __future__ import annotations

import gzip
import os
import struct
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
import zstandard
from pyarrow import csv, feather, orc, parquet

from progresswidget.errors import SourceChangedError, SourceError
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress
from progresswidget.export.sources import QUERY_ROWS
from progresswidget.export.sources.files import Exactly, read, recognises

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TABLE = pa.table({"i": range(150_000), "t": [f"row {i}" for i in range(150_000)]})


def _csv(table: pa.Table, path: Path) -> None:
    csv.write_csv(table, path)


def _tsv(table: pa.Table, path: Path) -> None:
    csv.write_csv(table, path, csv.WriteOptions(delimiter="\t"))


def _gz(table: pa.Table, path: Path) -> None:
    _csv(table, path)
    path.write_bytes(gzip.compress(path.read_bytes(), 1))


def _zst(table: pa.Table, path: Path) -> None:
    _csv(table, path)
    path.write_bytes(zstandard.compress(path.read_bytes()))


def _ndjson(table: pa.Table, path: Path) -> None:
    import polars as pl

    pl.DataFrame(table).write_ndjson(path)


def _stream(table: pa.Table, path: Path) -> None:
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


KINDS: dict[str, tuple[Callable[[Any, Any], object], bool]] = {
    "a.parquet": (parquet.write_table, True),
    "a.feather": (feather.write_feather, True),
    "a.orc": (orc.write_table, True),
    "a.arrows": (_stream, False),
    "a.csv": (_csv, False),
    "a.tsv": (_tsv, False),
    "a.csv.gz": (_gz, False),
    "a.csv.zst": (_zst, False),
    "a.ndjson": (_ndjson, False),
}


def rows(frame: object) -> int:
    found = read(frame, "columnar")
    count = sum(batch.num_rows for batch in found.batches())
    found.check()
    return count


@pytest.mark.parametrize(("width", "most"), [(8, QUERY_ROWS), (2_000, 1_048), (3 * 2**20, 1)])
def test_batches_of_parquet_files_have_few_rows_where_these_are_wide(
    width: int, most: int, tmp_path: Path
) -> None:
    count = 3 if most == 1 else 3 * most
    table = pa.table({"t": [f"{number:0{width}}" for number in range(count)]})
    parquet.write_table(table, tmp_path / "a.parquet", use_dictionary=False)
    found = read(tmp_path / "a.parquet", "columnar")
    batches = list(found.batches())
    assert pa.Table.from_batches(batches).equals(table)
    assert most // 2 < max(batch.num_rows for batch in batches) <= most


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_file_gives_its_rows(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    write, counted = KINDS[name]
    write(TABLE, path)
    assert recognises(path)
    assert recognises(str(path))
    for frame in (path, str(path)):
        found = read(frame, "columnar")
        assert found.total == (150_000 if counted else None)
        batches = list(found.batches())
        assert max(batch.num_rows for batch in batches) <= 65_536
        table = pa.Table.from_batches(batches, schema=found.schema)
        assert table.to_pydict() == TABLE.to_pydict()
        found.check()


def test_files_of_a_pattern_follow_by_name(tmp_path: Path) -> None:
    for name, start in (("b", 3), ("a", 0), ("c", 5)):
        parquet.write_table(pa.table({"i": [start, start + 1]}), tmp_path / f"{name}.parquet")
    found = read(f"{tmp_path}/*.parquet", "columnar")
    assert found.total == 6
    values = [value for batch in found.batches() for value in batch["i"].to_pylist()]
    assert values == [0, 1, 3, 4, 5, 6]


def test_a_name_with_brackets_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "data[1].csv"
    _csv(TABLE, path)
    assert rows(path) == 150_000


def test_files_of_other_columns_are_named(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"i": [1]}), tmp_path / "a.parquet")
    parquet.write_table(pa.table({"i": ["x"]}), tmp_path / "b.parquet")
    with pytest.raises(SourceError, match=r"b\.parquet.*'i' as string, not int64"):
        read(tmp_path / "*.parquet", "columnar")
    parquet.write_table(pa.table({"j": [1]}), tmp_path / "b.parquet")
    with pytest.raises(SourceError, match=r"b\.parquet.*columns j, not i"):
        read(tmp_path / "*.parquet", "columnar")


@pytest.mark.parametrize("suffix", ["csv", "csv.gz", "tsv"])
def test_what_would_lose_signs_as_a_number_is_text(suffix: str, tmp_path: Path) -> None:
    lines = [
        "zip,id,account,n,share,day",
        "01234,12345678901234567890123,+007,10,0.5,2020-01-02",
        "10001,5,-7,-3,1.25,2020-01-03",
    ]
    text = "".join(f"{line}\n" for line in lines)
    text = text.replace(",", "\t") if suffix == "tsv" else text
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix.endswith("gz") else text.encode())
    found = read(path, "text")
    kinds = [pa.string(), pa.string(), pa.string(), pa.int64(), pa.float64(), pa.date32()]
    assert found.schema.types == kinds
    end = "tsv" if suffix == "tsv" else "csv"
    again = Export(path, tmp_path / f"again.{end}").run(Progress())
    assert again.path.read_text() == text


def test_columns_of_one_name_are_read_as_they_look(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,a\n01,2\n")
    assert read(tmp_path / "a.csv", "text").schema.types == [pa.int64(), pa.int64()]


def test_a_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("n,city\n1,Zürich\n".encode("latin-1"))
    with pytest.raises(SourceError, match=r"a\.csv.*no UTF-8.*'city'"):
        read(tmp_path / "a.csv", "text")


def test_files_of_text_have_the_types_that_hold_all_of_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,empty,code,day\n1,,7,2020-01-02\n")
    (tmp_path / "b.csv").write_text("n,empty,code,day\n1.5,3,A7,2020-01-03\n")
    (tmp_path / "c.csv").write_text("n,empty,code,day\n")
    found = read(tmp_path / "*.csv", "text")
    assert found.schema.types == [pa.float64(), pa.int64(), pa.string(), pa.date32()]
    written = Export(tmp_path / "*.csv", tmp_path / "all.tsv").run(Progress()).path.read_text()
    assert written.splitlines()[1:] == ["1.0\t\t7\t2020-01-02", "1.5\t3\tA7\t2020-01-03"]
    (tmp_path / "d.csv").write_text("n,other,code,day\n")
    with pytest.raises(SourceError, match=r"d\.csv.*columns n, other"):
        read(tmp_path / "*.csv", "text")


@pytest.mark.parametrize("name", ["absent.csv", "*.parquet", "a.docx", "."])
def test_what_is_no_table_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_text("words")
    with pytest.raises(SourceError, match=r"no file|no kind"):
        read(tmp_path / name, "columnar")


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_text("no parquet")
    with pytest.raises(SourceError, match=r"a\.parquet"):
        read(tmp_path / "a.parquet", "columnar")
    (tmp_path / "b.csv").write_text("i\n" + "1\n" * 4_000_000 + "x\n")
    with pytest.raises(SourceError, match=r"b\.csv"):
        rows(tmp_path / "b.csv")


@pytest.mark.parametrize("opened", [pa.ipc.new_file, pa.ipc.new_stream])
def test_offsets_that_lead_out_of_the_file_are_found(opened: Any, tmp_path: Path) -> None:
    path, table = tmp_path / "a.arrow", pa.table({"t": ["abc", "def", "ghi"]})
    with opened(path, table.schema) as writer:
        writer.write_table(table)
    assert rows(path) == 3
    true, false = (struct.pack("<4i", 0, 3, 6, end) for end in (9, 2**30))
    assert path.read_bytes().count(true) == 1
    path.write_bytes(path.read_bytes().replace(true, false))
    with pytest.raises(SourceError, match=r"a\.arrow"):
        rows(path)


def test_one_file_is_no_pattern_and_no_link(tmp_path: Path) -> None:
    _csv(TABLE, tmp_path / "data1.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "data1.csv")
    assert rows(str(tmp_path / "data[1].csv")) == 150_000
    assert rows(Exactly(str(tmp_path / "data1.csv"))) == 150_000
    for name in ("data[1].csv", "link.csv", "."):
        with pytest.raises(SourceError, match="no regular file"):
            read(Exactly(str(tmp_path / name)), "columnar")


@pytest.mark.parametrize("change", ["grow", "touch", "replace", "remove"])
def test_a_file_that_changes_is_found_out(change: str, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    _csv(TABLE, path)
    found = read(path, "columnar")
    list(found.batches())
    found.check()
    if change == "grow":
        with path.open("a") as file:
            file.write("1,x\n")
    elif change == "touch":
        os.utime(path, ns=(1, 1))
    elif change == "replace":
        other = tmp_path / "other"
        _csv(TABLE, other)
        other.replace(path)
    else:
        path.unlink()
    with pytest.raises(SourceChangedError, match=r"a\.csv"):
        found.check()


def test_a_file_is_converted(tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "a.parquet")
    result = Export(str(tmp_path / "a.parquet"), tmp_path / "a.csv").run(Progress())
    assert result.rows == 150_000
    assert rows(tmp_path / "a.csv") == 150_000
