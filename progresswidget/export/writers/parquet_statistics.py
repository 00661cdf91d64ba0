"""The smallest and the largest text of a column chunk, looked up in its dictionary.

A dictionary page holds each value of its chunk once, by length and bytes, and nothing else
(https://parquet.apache.org/docs/file-format/data-pages/encodings/, PLAIN and RLE_DICTIONARY). So a
few thousand values tell what pyarrow would look for in all the rows. Of a dictionary array those
words count that its rows use: to mark them takes less than half of what pyarrow needs to find them
by hashing, and next to nothing where the first thousands of rows use all of them, as those of most
columns do (0.37 and 0.02 ms for 131,072 rows of five words). Texts are compared as unsigned bytes,
which their order in the format is.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.workers import give_way
from progresswidget.export.writers.parquet_compact import read
from progresswidget.export.writers.parquet_footer import IDL
from progresswidget.export.writers.storable import convert

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

MANY: Final = 4_096
"""Values from which on Arrow is faster with the rows than Python with the dictionary."""
LOOK: Final = 4_096
"""Rows between two looks whether all words of a dictionary were found."""
LONGEST: Final = 4_096
"""Bytes of a value that is told; pyarrow's limit."""
_DATA_PAGES: Final = {0, 3}  # of the enum PageType
_RLE_DICTIONARY: Final = 8  # of the enum Encoding
_CODECS: Final = {1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4_raw"}
_LENGTH: Final = struct.Struct("<I")


def tell(file: memoryview, groups: Sequence[Any], table: pa.Table, told: Sequence[int]) -> None:
    """Give statistics to column chunks that pyarrow wrote without.

    Parameters
    ----------
    file
        The whole file.
    groups
        The row groups of its footer, which are changed.
    table
        The rows.
    told
        Their columns that are meant. They are texts or bytes, or dictionaries of texts.
    """
    first = 0
    for group in groups:
        chunks = {tuple(chunk.meta_data.path_in_schema): chunk.meta_data for chunk in group.columns}
        for place in told:
            give_way()
            values = table.column(place).slice(first, group.num_rows)
            data = chunks[(table.column_names[place],)]
            data.statistics = _statistics(file, data, values)
        first += group.num_rows


def _statistics(file: memoryview, data: Any, values: pa.ChunkedArray) -> Any:
    import pyarrow as pa

    statistics = IDL.Statistics(null_count=values.null_count)
    if values.null_count == len(values):
        return statistics
    if pa.types.is_dictionary(values.type):
        # Its page holds all words of a dictionary, also those that these rows do not use.
        low, high = _of_rows(_used(values))
    else:
        low, high = _of_dictionary(file, data) or _of_rows(values)
    if len(low) <= LONGEST:
        statistics.min_value, statistics.is_min_value_exact = low, True
    if len(high) <= LONGEST:
        statistics.max_value, statistics.is_max_value_exact = high, True
    return statistics


def _of_dictionary(file: memoryview, data: Any) -> tuple[bytes, bytes] | None:
    """Return the extremes of a chunk all of whose pages use its dictionary."""
    import pyarrow as pa

    encodings = {each.encoding for each in data.encoding_stats if each.page_type in _DATA_PAGES}
    if encodings != {_RLE_DICTIONARY}:
        return None
    give_way()
    chunk = bytes(file[data.dictionary_page_offset : data.data_page_offset])
    header, begin = read(IDL.PageHeader, chunk)
    count = header.dictionary_page_header.num_values
    if count > MANY:
        return None
    page = chunk[begin : begin + header.compressed_page_size]
    if data.codec in _CODECS:
        codec = pa.Codec(_CODECS[data.codec])
        page = codec.decompress(page, header.uncompressed_page_size, asbytes=True)
    values = _plain(page, count)
    return min(values), max(values)


def _plain(page: bytes, count: int) -> list[bytes]:
    values = []
    size_at, width = _LENGTH.unpack_from, _LENGTH.size  # looked up once: there are thousands
    place = 0
    for _ in range(count):
        begin = place + width
        (size,) = size_at(page, place)
        place = begin + size
        values.append(page[begin:place])
    return values


def _used(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the words of dictionaries that occur in some rows."""
    import numpy as np
    import pyarrow as pa

    words = []
    for chunk in values.chunks:
        indices = chunk.indices.drop_null() if chunk.null_count else chunk.indices
        found = _marked(_numbers(indices), len(chunk.dictionary))
        places = np.flatnonzero(found)
        # From buffers: pyarrow would load pandas for a glance at numbers of numpy.
        taken = pa.Array.from_buffers(pa.int64(), len(places), [None, pa.py_buffer(places)])
        words.append(chunk.dictionary.take(taken))
    return pa.chunked_array(words, values.type.value_type)


def _marked(numbers: Any, words: int) -> Any:
    """Return which of so many words are meant by numbers."""
    import numpy as np

    found = np.zeros(words, np.uint8)
    step = max(LOOK, words)
    for start in range(0, len(numbers), step):
        found[numbers[start : start + step]] = 1
        if found.all():  # a few thousand rows have all categories of most columns
            break
    return found


def _numbers(indices: pa.Array) -> Any:
    import numpy as np

    width = indices.type.bit_width // 8
    if not len(indices):
        return np.empty(0, np.uint8)
    places = indices.buffers()[1]
    return np.frombuffer(places, f"u{width}", len(indices), indices.offset * width)


def _of_rows(values: pa.ChunkedArray) -> tuple[bytes, bytes]:
    import pyarrow as pa
    import pyarrow.compute as pc

    field = pa.field("values", pa.large_binary())
    plain = pa.chunked_array([convert(chunk, field) for chunk in values.chunks], field.type)
    found = pc.min_max(plain)
    return found["min"].as_py(), found["max"].as_py()
