"""While another thread imports a module it is in `sys.modules`, and most of it is not there yet."""

from __future__ import annotations

import datetime as dt
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from progresswidget.cell import running_kernel
from progresswidget.export.sources import find_kind
from progresswidget.loops.iterating import tenumerate
from progresswidget.loops.sampling import sampled

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def begin_import(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def begin(name: str) -> None:
        spec: Any = ModuleSpec(name, None)
        spec._initializing = True
        module = ModuleType(name)
        module.__spec__ = spec
        monkeypatch.setitem(sys.modules, name, module)

    return begin


def test_a_frame_is_recognised_while_choosing_of_frames_is_imported(
    begin_import: Callable[[str], None],
) -> None:
    begin_import("progresswidget.export.sources.narrowed")
    assert find_kind(pa.table({"a": [1]})).library == "pyarrow"


def test_rows_are_read_while_pandas_is_imported(begin_import: Callable[[str], None]) -> None:
    begin_import("pandas")
    rows = [{"a": 1, "b": dt.date(2024, 1, 2)}, {"a": 2.5, "b": None}]
    source = find_kind(rows).read(rows, "text", {"schema": None})
    table = pa.Table.from_batches(source.batches(), source.schema)
    assert table.to_pydict() == {"a": [1.0, 2.5], "b": [dt.date(2024, 1, 2), None]}


def test_loops_count_while_numpy_is_imported(begin_import: Callable[[str], None]) -> None:
    begin_import("numpy")
    steps, position = sampled([1, 2])
    assert list(steps) == [1, 2]
    assert position() == 2
    assert list(tenumerate(["a", "b"])) == [(0, "a"), (1, "b")]


def test_no_kernel_runs_while_ipython_is_imported(begin_import: Callable[[str], None]) -> None:
    begin_import("IPython")
    assert running_kernel() is None
