"""Views, run ends and dictionaries inside of other types, which pyarrow's casts do not take."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather, ipc, orc
from pyarrow import parquet as pq

from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LONG = "a text that does not fit its view"


def runs(values: list[Any], kind: pa.DataType) -> pa.Array:
    ends = pa.array(range(1, len(values) + 1), pa.int32())
    return pa.RunEndEncodedArray.from_arrays(ends, pa.array(values, kind))


def words(kind: pa.DataType) -> pa.Array:
    return pa.DictionaryArray.from_arrays(
        pa.array([0, None, 1, 0], pa.int8()), pa.array(["a", LONG], kind)
    )


def in_lists(values: pa.Array) -> pa.Array:
    """Return lists of which the second is missing."""
    offsets = pa.array([0, None, 1, 1, len(values)], pa.int32())
    return pa.ListArray.from_arrays(offsets, values)


def in_structs(values: pa.Array) -> pa.Array:
    missing = pa.array([number == 1 for number in range(len(values))])
    return pa.StructArray.from_arrays([values], names=["v"], mask=missing)


def in_maps(values: pa.Array) -> pa.Array:
    keys = pa.array([f"k{number}" for number in range(len(values))])
    offsets = pa.array([0, None, 1, 1, len(values)], pa.int32())
    return pa.MapArray.from_arrays(offsets, keys, values)


def in_pairs(values: pa.Array) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(values, 2)


def in_views(values: pa.Array) -> pa.Array:
    """Return views that overlap, in another order than the values."""
    missing = pa.array([False, True, False, False])
    return pa.ListViewArray.from_arrays([2, 0, 0, 1], [2, 0, 0, 3], values, mask=missing)


INNER: dict[str, pa.Array] = {
    "a view of lists": pa.array([[1], None, [], [2, None]], pa.list_view(pa.int8())),
    "a large view of lists": pa.array([["a"], None, [], [LONG]], pa.large_list_view(pa.string())),
    "run ends": runs([1.5, None, 2.5, 2.5], pa.float64()),
    "run ends of views": runs(["a", None, LONG, ""], pa.string_view()),
    "a dictionary": words(pa.string()),
    "a dictionary of views": words(pa.string_view()),
    "views": pa.array(["a", None, LONG, ""], pa.string_view()),
}
OUTER: list[Callable[[pa.Array], pa.Array]] = [
    in_lists,
    in_structs,
    in_maps,
    in_pairs,
    in_views,
    lambda values: in_lists(in_structs(values)),
    lambda values: in_structs(in_views(values)),
]
READERS: dict[str, Callable[[Path], pa.Table]] = {
    "feather": feather.read_table,
    "arrows": lambda path: ipc.open_stream(path.read_bytes()).read_all(),
    "parquet": pq.read_table,
    "orc": orc.read_table,
}


def columns(inner: str) -> dict[str, pa.Array]:
    """Return columns of two rows that begin within their memory, as those of a slice do."""
    made = {str(place): outer(INNER[inner]) for place, outer in enumerate(OUTER)}
    return {name: array.slice(len(array) - 2) for name, array in made.items()}


@pytest.mark.parametrize("suffix", READERS)
@pytest.mark.parametrize("inner", INNER)
def test_what_is_inside_of_other_types_comes_back(inner: str, suffix: str, tmp_path: Path) -> None:
    table = pa.table(columns(inner))
    wanted = {name: array.to_pylist() for name, array in columns(inner).items()}
    path = tmp_path / f"a.{suffix}"
    Export(table, path).run(Progress())
    back = READERS[suffix](path)
    back.validate(full=True)
    assert back.to_pydict() == wanted


def as_json(value: Any) -> Any:
    """Return a value as its text in a cell is read; the pairs of a map are an object."""
    if isinstance(value, list) and all(isinstance(each, tuple) for each in value):
        return dict(value) or value
    return value


@pytest.mark.parametrize("inner", INNER)
def test_what_is_inside_of_other_types_is_json_in_csv(inner: str, tmp_path: Path) -> None:
    found = columns(inner)
    path = tmp_path / "a.csv"
    Export(pa.table(found), path).run(Progress())
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for name, array in found.items():
        texts = [row[name] for row in rows]
        wanted = [as_json(value) for value in array.to_pylist()]
        assert [json.loads(text or "null") or None for text in texts] == [
            value or None for value in wanted
        ]


@pytest.mark.parametrize("suffix", READERS)
def test_lists_of_categories_of_polars_are_written(suffix: str, tmp_path: Path) -> None:
    values = [["a", None], None, [LONG]]
    frame = pl.DataFrame(
        {
            "a": pl.Series(values, dtype=pl.List(pl.Categorical)),
            "b": pl.Series(values, dtype=pl.List(pl.Enum(["a", LONG]))),
        }
    )
    path = tmp_path / f"a.{suffix}"
    Export(frame, path).run(Progress())
    assert READERS[suffix](path).to_pydict() == {"a": values, "b": values}


def test_run_ends_of_views_have_their_texts(tmp_path: Path) -> None:
    table = pa.table({"a": INNER["run ends of views"], "b": [1, 2, 3, 4]}).slice(1)
    Export(table, tmp_path / "a.csv").run(Progress())
    assert (tmp_path / "a.csv").read_text() == f'a,b\n,2\n{LONG},3\n"",4\n'
