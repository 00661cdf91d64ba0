"""The ZIP archive of a workbook where 32 bits are too few, and the size of its units."""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from progresswidget.export.writers import Heading
from progresswidget.export.writers import xlsx_package as package
from progresswidget.export.writers.xlsx import MOST_ROWS, UNIT_CELLS, XlsxWriter

if TYPE_CHECKING:
    from pathlib import Path

GIB = 2**30


def test_directory_beyond_four_gibibytes(tmp_path: Path) -> None:
    entries = [
        package.Entry("small.xml", 0, package.Block(1, 2, 3), streamed=False),
        package.Entry("long.xml", 100, package.Block(4, 5 * GIB, 6 * GIB), streamed=True),
        package.Entry("late.xml", 5 * GIB + 1, package.Block(7, 8, 9), streamed=True),
    ]
    path = tmp_path / "sparse.zip"
    end = 7 * GIB
    with path.open("wb") as file:
        file.truncate(end)  # a hole: nothing is written
        file.seek(end)
        file.write(package.directory(entries, end))
    with zipfile.ZipFile(path) as archive:
        found = archive.infolist()
    assert [(each.filename, each.header_offset) for each in found] == [
        (entry.name, entry.offset) for entry in entries
    ]
    assert [(each.CRC, each.compress_size, each.file_size) for each in found] == [
        (entry.content.crc, entry.content.packed, entry.content.size) for entry in entries
    ]


def test_descriptor_is_as_wide_as_it_must_be() -> None:
    assert package.descriptor(package.Block(1, 2, 3)) == struct.pack(
        "<4sIII", b"PK\x07\x08", 1, 2, 3
    )
    wide = package.descriptor(package.Block(1, 2, 5 * GIB))
    assert wide == struct.pack("<4sIQQ", b"PK\x07\x08", 1, 2, 5 * GIB)


def test_blocks_join_to_one_stream() -> None:
    texts = [b"first " * package.STEP, b"", b"last"]
    content = package.Block()
    pieces: list[memoryview] = []
    for number, text in enumerate(texts, 1):
        packed, block = package.deflate([text], last=number == len(texts))
        pieces.append(packed)
        content += package.Block.load(block.dump())
    whole = b"".join(texts)
    assert zlib.decompress(b"".join(pieces), wbits=-15) == whole
    assert (content.crc, content.size) == (zlib.crc32(whole), len(whole))
    assert content.packed == sum(map(len, pieces))


@pytest.mark.parametrize("columns", [1, 10, 500, 16_384])
def test_units_are_small_and_end_where_a_sheet_does(columns: int) -> None:
    schema = pa.schema([(f"c{number}", pa.int8()) for number in range(columns)])
    options = {option.name: option.default for option in XlsxWriter.OPTIONS}
    options["split_sheets"] = True
    writer = XlsxWriter([Heading("a", schema)], options)
    assert MOST_ROWS % writer.unit_rows == 0
    assert writer.unit_rows * columns <= UNIT_CELLS
    assert XlsxWriter([Heading("a", schema, 9)], options).unit_patience != float("inf")
