"""The table in TYPES.md is true: each of its cells is what an export of the example gives."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import html
import io
import json
import re
import sqlite3
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docx
import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.ipc
import pyarrow.orc
import pyarrow.parquet
import pypdf
import pytest

from progresswidget.errors import ColumnError
from progresswidget.export import pipeline
from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable

TABLE = Path(pipeline.__file__).with_name("TYPES.md")
MOMENT = dt.datetime(2013, 1, 1, 5, 15, 0, 250_000)  # noqa: DTZ001 - a naive one is meant
AWARE = MOMENT.replace(tzinfo=dt.UTC)
DAY = dt.date(2013, 1, 1)
PRICE = decimal.Decimal("1.50")


class Celsius(pa.ExtensionType):
    """An extension type that no library knows."""

    def __init__(self) -> None:
        super().__init__(pa.float64(), "example.celsius")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: pa.DataType, data: bytes) -> Celsius:
        return cls()


def of(value: Any, kind: pa.DataType) -> pa.Array:
    return pa.array([value], kind)


def extension(value: Any, kind: pa.DataType) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, pa.array([value], kind.storage_type))


def union(*, dense: bool) -> pa.Array:
    which, children = pa.array([0], pa.int8()), [pa.array([5]), pa.array(["x"])]
    if dense:
        return pa.UnionArray.from_dense(which, pa.array([0], pa.int32()), children)
    return pa.UnionArray.from_sparse(which, children)


EXAMPLES: dict[str, pa.Array] = {
    "null": pa.nulls(1),
    "bool": of(True, pa.bool_()),  # noqa: FBT003
    **{f"int{bits}": of(-7, pa.type_for_alias(f"int{bits}")) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": of(7, pa.type_for_alias(f"uint{bits}")) for bits in (8, 16, 32, 64)},
    "float16": of(1.5, pa.float16()),
    "float32": of(0.5, pa.float32()),
    "float64": of(0.1, pa.float64()),
    "decimal32": of(PRICE, pa.decimal32(5, 2)),
    "decimal64": of(PRICE, pa.decimal64(12, 2)),
    "decimal128": of(PRICE, pa.decimal128(10, 2)),
    "decimal256": of(PRICE, pa.decimal256(60, 2)),
    "string": of("é", pa.string()),
    "large_string": of("é", pa.large_string()),
    "string_view": of("é", pa.string_view()),
    "binary": of(b"ab", pa.binary()),
    "large_binary": of(b"ab", pa.large_binary()),
    "binary_view": of(b"ab", pa.binary_view()),
    "fixed_size_binary": of(b"ab", pa.binary(2)),
    "date32": of(DAY, pa.date32()),
    "date64": of(DAY, pa.date64()),
    "time32[s]": of(dt.time(5, 15), pa.time32("s")),
    "time32[ms]": of(dt.time(5, 15), pa.time32("ms")),
    "time64[us]": of(dt.time(5, 15, 0, 5), pa.time64("us")),
    "time64[ns]": of(dt.time(5, 15, 0, 5), pa.time64("ns")),
    "timestamp[s]": of(MOMENT.replace(microsecond=0), pa.timestamp("s")),
    "timestamp[ms]": of(MOMENT, pa.timestamp("ms")),
    "timestamp[us]": of(MOMENT, pa.timestamp("us")),
    "timestamp[ns]": of(MOMENT, pa.timestamp("ns")),
    "timestamp with zone": of(AWARE, pa.timestamp("us", "America/New_York")),
    "timestamp with offset": of(AWARE, pa.timestamp("us", "+02:00")),
    "duration": of(dt.timedelta(days=1, seconds=0.5), pa.duration("us")),
    "month_day_nano_interval": of((14, 3, 5 * 10**8), pa.month_day_nano_interval()),
    "list": of([1, None], pa.list_(pa.int64())),
    "large_list": of([1, None], pa.large_list(pa.int64())),
    "fixed_size_list": of([1, 2], pa.list_(pa.int64(), 2)),
    "list_view": of([1, None], pa.list_view(pa.int64())),
    "large_list_view": of([1, None], pa.large_list_view(pa.int64())),
    "struct": of({"a": 1, "b": "x"}, pa.struct([("a", pa.int64()), ("b", pa.string())])),
    "struct without fields": of({}, pa.struct([])),
    "map": of([("a", 1)], pa.map_(pa.string(), pa.int64())),
    "dictionary of text": of("a", pa.string()).dictionary_encode(),
    "dictionary of int64": of(7, pa.int64()).dictionary_encode(),
    "run_end_encoded": pa.RunEndEncodedArray.from_arrays([1], ["x"]),
    "dense_union": union(dense=True),
    "sparse_union": union(dense=False),
    "arrow.uuid": extension(uuid.UUID(int=7).bytes, pa.uuid()),
    "arrow.json": extension('{"a":1}', pa.json_(pa.string())),
    "arrow.bool8": extension(1, pa.bool8()),
    "another extension": extension(36.6, Celsius()),
}


def typed(column: pa.ChunkedArray) -> str:
    (value,) = column.to_pylist()
    return f"{column.type} = {value}"


def csv_cell(path: Path, delimiter: str = ",") -> str:
    _, row = csv.reader(io.StringIO(path.read_text(), newline=""), delimiter=delimiter)
    return row[0]


def tsv_cell(path: Path) -> str:
    return csv_cell(path, "\t")


def html_cell(path: Path) -> str:
    found = re.search(r"<tbody>\s*<tr>\s*<td[^>]*>(.*?)</td>", path.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


def markdown_cell(path: Path) -> str:
    row = path.read_text("utf-8").splitlines()[2]
    return row.strip().removeprefix("|").split("|")[0].strip().replace("\\", "")


def docx_cells(path: Path) -> dict[str, str]:
    found = {}
    for table in docx.Document(str(path)).tables:  # several, for so many columns
        names, row = ([cell.text for cell in row.cells] for row in table.rows[:2])
        found |= dict(zip(names, row, strict=True))
    return found


def pdf_cell(path: Path) -> str:
    # The row is the last line before the number of the page, which the title follows.
    text = pypdf.PdfReader(path).pages[0].extract_text()
    found = re.search(r"\nx n\n(.*) 1\npage 1 of 1", text, re.DOTALL)
    assert found is not None, text
    return found[1]


def json_cell(path: Path) -> str:
    found = json.loads(path.read_text("utf-8"))
    (row,) = found if isinstance(found, list) else (found,)
    return json.dumps(row["x"], ensure_ascii=False, separators=(",", ":"))


def xlsx_cell(path: Path) -> str:
    cell = openpyxl.load_workbook(path).active["A2"]
    form = "" if cell.number_format == "General" else f" as {cell.number_format}"
    return f"{type(cell.value).__name__} = {cell.value}{form}"


def parquet_cell(path: Path) -> str:
    return typed(pyarrow.parquet.read_table(path)["x"])


def feather_cell(path: Path) -> str:
    return typed(pa.ipc.open_file(path).read_all()["x"])


def stream_cell(path: Path) -> str:
    return typed(pa.ipc.open_stream(path).read_all()["x"])


def orc_cell(path: Path) -> str:
    return typed(pyarrow.orc.ORCFile(path).read()["x"])


def sqlite_cell(path: Path) -> str:
    database = sqlite3.connect(path)
    try:
        (declared,) = database.execute("SELECT type FROM pragma_table_info('t')").fetchone()
        (value,) = database.execute("SELECT x FROM t").fetchone()
    finally:
        database.close()
    return f"{declared} = {value}"


def duckdb_cells(path: Path) -> dict[str, str]:
    with duckdb.connect(str(path), read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        declared = [row[:2] for row in database.execute("DESCRIBE t").fetchall()]
        (texts,) = database.execute("SELECT COLUMNS(*)::VARCHAR FROM t").fetchall()
    pairs = zip(declared, texts, strict=True)
    return {name: f"{kind} = {text}" for (name, kind), text in pairs}


# The heading of a column -> the formats it is about, each with what reads it.
COLUMNS: dict[str, dict[str, Callable[[Path], str | dict[str, str]]]] = {
    "Text": {
        "csv": csv_cell,
        "tsv": tsv_cell,
    },
    "HTML, Markdown, DOCX, PDF": {
        "html": html_cell,
        "markdown": markdown_cell,
        "docx": docx_cells,
        "pdf": pdf_cell,
    },
    "JSON, NDJSON": {"ndjson": json_cell, "json": json_cell},
    "XLSX": {"xlsx": xlsx_cell},
    "Parquet": {"parquet": parquet_cell},
    "Arrow, Feather": {"feather": feather_cell, "arrows": stream_cell},
    "ORC": {"orc": orc_cell},
    "SQLite": {"sqlite": sqlite_cell},
    "DuckDB": {"duckdb": duckdb_cells},
}
TOGETHER = frozenset({"docx", "duckdb"})
"""Formats that take as long for one column as for all: a column there is written by itself."""


def cells() -> dict[str, dict[str, str]]:
    """Return the table: the name of a type -> the heading of a column -> its cell."""
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line.startswith("|")]
    head, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    table = {}
    for row in rows:
        assert len(row) == len(head), row
        table[row[0].strip("`")] = dict(zip(head[1:], row[1:], strict=True))
    return table


def export(columns: dict[str, pa.Array], format: str, folder: Path) -> Path | None:
    """Export one row, and return the file; None where a column was refused."""
    path = folder / f"t.{format}"
    # A second column, because a missing value alone in its row of CSV is a case of its own.
    table = pa.table(columns | {"n": [1]})
    try:
        Export(table, path, format=format).run(Progress())
    except ColumnError:
        assert list(folder.iterdir()) == []
        return None
    return path


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], str]:
    """Return the cells of the formats that take all types at once, but for those they refuse."""
    found = {}
    for column, formats in COLUMNS.items():
        for kind in TOGETHER & formats.keys():
            taken = [name for name, row in cells().items() if row[column] != "refused"]
            path = export(
                {name: EXAMPLES[name] for name in taken}, kind, tmp_path_factory.mktemp(kind)
            )
            assert path is not None, f"{kind} refuses one of {taken}"
            read = formats[kind](path)
            assert read.keys() >= {*taken, "n"}
            found |= {(name, kind): read[name] for name in taken}
    return found


def test_the_table_has_a_row_for_each_type_and_a_column_for_each_format() -> None:
    table = cells()
    assert list(table) == list(EXAMPLES)
    assert all(list(row) == list(COLUMNS) for row in table.values())


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_cell_of_the_table_is_true(
    name: str, column: str, tmp_path: Path, together: dict[tuple[str, str], str]
) -> None:
    expected = cells()[name][column]
    for kind, read in COLUMNS[column].items():
        folder = tmp_path / kind
        folder.mkdir()
        if (name, kind) in together:
            assert f"`{together[name, kind]}`" == expected
            continue
        path = export({"x": EXAMPLES[name]}, kind, folder)
        assert ("refused" if path is None else f"`{read(path)}`") == expected
