"""Outputs of a cell with loops: in one order, whatever the time that the loops take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from test_loop_cells import kernel_without_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from test_loop_cells import Cell


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cell]:
    folder = tmp_path_factory.mktemp("exports")
    with kernel_without_server() as run:
        run(f"import pandas as pd; frame, folder = pd.DataFrame({{'a': [1]}}), {str(folder)!r}")
        run("from IPython.display import display")
        yield run


@pytest.mark.parametrize(
    ("code", "order"),
    [
        (
            "for x in pw.track('ab', 'p'):\n    display(x); time.sleep({})",
            ["p", "'a'", "'b'", "✓ p: 2"],
        ),
        (
            "display('before')\nfor x in pw.track('ab', 'p'): time.sleep({})\n'after'",
            ["'before'", "p", "✓ p: 2", "'after'"],
        ),
        (
            (
                "try:\n    for x in pw.track('ab', 'p'): time.sleep({}); [].pop()\n"
                "except IndexError: pass\n'after'"
            ),
            ["p", "'after'", "p: stopped at 0 of 2"],
        ),
        (
            "bar = pw.tqdm(total=2, desc='p')\nbar.update(); time.sleep({})\ndisplay(1)\n'after'",
            ["p", "1", "'after'"],
        ),
        (
            (
                "bars = [pw.tqdm(total=2, desc=f'p{n}') for n in range(3)]\ntime.sleep({})\n"
                "for x in pw.track('ab', 'q'): display(x)\nfor bar in bars: bar.close()"
            ),
            ["p0", "'a'", "'b'"],
        ),
        (
            (
                "for n in range(2):\n"
                "    try:\n"
                "        for x in pw.track('ab', f'p{n}'): time.sleep({} if n else 0); [].pop()\n"
                "    except IndexError: pass\n"
                "for x in pw.track('ab', 'q'): pass"
            ),
            ["p0", "p1", "q", "✓ q: 2", "p0: stopped at 0 of 2", "p1: stopped at 0 of 2"],
        ),
        (
            (
                "for x in pw.track('ab', 'p'):\n"
                "    pw.export(frame, f'{folder}/{x}.csv'); time.sleep({})"
            ),
            [
                *("p", "Export to a.csv", "✓ a.csv: 1 row × 2 columns, CSV"),
                *("Export to b.csv", "✓ b.csv: 1 row × 2 columns, CSV", "✓ p: 2"),
            ],
        ),
        (
            "with pw.group('all'):\n    for x in pw.track('ab', 'p'): display(x); time.sleep({})",
            ["all", "'a'", "'b'", "✓ all: 1 loop\n  p: 2"],
        ),
    ],
)
def test_the_order_of_outputs_does_not_depend_on_the_time(
    cell: Cell, code: str, order: list[str]
) -> None:
    for seconds in ("0", "0.4"):
        cell("bar = bars = None")
        outputs = cell(code.replace("{}", seconds))
        assert outputs.errors == []
        assert outputs.order[: len(order)] == order
        if "bars" not in code:
            assert outputs.order == order


def test_an_output_comes_also_where_a_card_cannot_be_shown(cell: Cell) -> None:
    outputs = cell(
        "class Odd:\n    def __str__(self): raise RuntimeError('no words')\n"
        "bar = pw.tqdm(range(2), 'p')\nbar.job.title = Odd()\n"
        "for x in bar: display(x)"
    )
    assert outputs.errors == []
    assert [text for text in outputs.order if text in {"0", "1"}] == ["0", "1"]
