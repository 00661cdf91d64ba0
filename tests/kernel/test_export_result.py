from __future__ import annotations

import copy
import dataclasses
import hashlib
import pickle
from typing import TYPE_CHECKING

import polars as pl
import pytest

from progresswidget.export.pipeline import Export
from progresswidget.export.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("again", [False, True])
def test_a_result_can_be_sent_to_another_process(again: bool, tmp_path: Path) -> None:  # noqa: FBT001
    frame = pl.DataFrame({"n": range(100_000)})
    for _ in range(1 + again):
        result = Export(frame, tmp_path / "a.csv").run(Progress())
    digest = hashlib.sha256(result.path.read_bytes()).hexdigest()
    sent = pickle.loads(pickle.dumps(result))
    assert sent == result
    assert sent.sha256 == result.sha256 == digest
    assert pickle.loads(pickle.dumps(sent)).sha256 == digest
    assert copy.deepcopy(result).sha256 == digest
    assert dataclasses.asdict(result)["rows"] == 100_000


def test_a_result_is_short_to_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    result = Export(pl.DataFrame({"n": [1, 2]}), path).run(Progress())
    exact = dataclasses.replace(result, seconds=0.0300307590005, _digest=str)
    assert repr(exact) == f"Result({str(path)!r}, rows=2, columns=1, bytes=6, seconds=0.03)"
    more = dataclasses.replace(exact, reused=1, omitted=3)
    assert repr(more).endswith("bytes=6, seconds=0.03, reused=1, omitted=3)")
