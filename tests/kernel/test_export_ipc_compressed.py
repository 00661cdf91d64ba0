"""Messages whose buffers are compressed here: byte by byte what pyarrow makes of them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from progresswidget.export.writers.buffers import Buffers
from progresswidget.export.writers.ipc_compressed import Compressor, codec_of, compressor

SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("text", pa.large_string()),
        ("numbers", pa.list_(pa.float32())),
        ("struct", pa.struct([("x", pa.bool_()), ("y", pa.decimal128(9, 2))])),
        ("nothing", pa.null()),
        ("index", pa.uint32()),
    ]
)
ROWS = st.fixed_dictionaries(
    {
        "number": st.none() | st.integers(-(2**63), 2**63 - 1),
        "text": st.none() | st.text(max_size=9),
        "numbers": st.none() | st.lists(st.floats(width=32), max_size=3),
        "struct": st.none() | st.fixed_dictionaries({"x": st.none() | st.booleans()}),
        "index": st.none() | st.integers(0, 2**32 - 1),
    }
)


def message(batch: pa.RecordBatch, codec: pa.Codec | None = None) -> list[Any]:
    """Return the parts of the message of a batch, as pyarrow writes them."""
    buffers = Buffers()
    options = pyarrow.ipc.IpcWriteOptions(compression=codec)
    writer = pyarrow.ipc.new_stream(buffers, batch.schema, options=options)
    writer.write_batch(batch)
    parts, ahead = buffers.take(), batch.schema.serialize().size
    while ahead > 0:
        ahead -= len(parts.pop(0))
    return parts


def whole(parts: list[Any]) -> bytes:
    return b"".join(bytes(part) for part in parts)


def codec(name: str, level: int | None = None) -> pa.Codec:
    found = codec_of(name, level)
    assert found is not None
    return found


def make(schema: pa.Schema, codec: pa.Codec, cores: int = 2) -> Compressor | None:
    row = [pa.nulls(1, field.type) for field in schema]
    like = pa.RecordBatch.from_arrays(row, schema=schema)
    return compressor(codec, message(like, codec), cores=cores)


@given(
    st.lists(ROWS, min_size=1, max_size=40),
    st.integers(0, 39),
    st.integers(1, 40),
    st.sampled_from([("lz4", None), ("zstd", None), ("zstd", 9)]),
)
def test_the_bytes_are_those_of_pyarrow(
    rows: list[dict[str, Any]], start: int, size: int, chosen: tuple[str, int | None]
) -> None:
    batch = pa.RecordBatch.from_pylist(rows, SCHEMA).slice(start % len(rows), size)
    packer = codec(*chosen)
    ours = make(SCHEMA, packer)
    assert ours is not None
    parts = ours.compress(message(batch))
    assert parts is not None
    assert whole(parts) == whole(message(batch, packer))


def test_what_has_other_numbers_is_left_to_pyarrow() -> None:
    ours = make(SCHEMA, codec("lz4"))
    assert ours is not None
    assert ours.compress(message(pa.RecordBatch.from_pylist([], SCHEMA))) is None  # it has no rows

    # How many buffers a column of views has is known of a batch only.
    views = pa.schema([("text", pa.string_view())])
    batch = pa.record_batch([pa.array(["a text that is no short one"], pa.string_view())], views)
    ours = make(views, codec("lz4"))
    assert ours is not None
    assert ours.compress(message(batch)) is None


def test_dictionaries_are_left_to_pyarrow() -> None:
    schema = pa.schema([("word", pa.dictionary(pa.int32(), pa.string())), ("n", pa.int64())])
    assert make(schema, codec("lz4")) is None


def test_more_cores_than_units_at_work_are_left_to_pyarrow() -> None:
    assert make(SCHEMA, codec("lz4"), cores=2) is not None
    assert make(SCHEMA, codec("lz4"), cores=3) is None


@pytest.mark.parametrize(
    ("chosen", "expected"), [({}, "jemalloc"), ({"ARROW_DEFAULT_MEMORY_POOL": "system"}, "system")]
)
def test_memory_is_of_the_pool_that_keeps_it_unless_the_user_chose(
    chosen: dict[str, str], expected: str
) -> None:
    if expected not in pa.supported_memory_backends():
        pytest.skip(f"this pyarrow has no {expected}")
    rest = {name: text for name, text in os.environ.items() if not name.startswith("ARROW_")}
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "from progresswidget.export.memory import pool; print(pool().backend_name)",
        ],
        env=rest | chosen,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == expected
