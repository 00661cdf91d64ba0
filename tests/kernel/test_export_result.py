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
