"""Loops that leave nothing to be seen: what a notebook keeps of them, however long they take."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from nbformat.v4 import output_from_msg
from nbval.plugin import coalesce_streams  # type: ignore[import-untyped]
from test_loop_cells import kernel_without_server

from progresswidget.protocol import JOB_MIMETYPE, RECEIPT_MIMETYPE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from test_loop_cells import Cell, Outputs

KEPT: Final = {"display_data", "execute_result", "stream", "error"}
WIDGET: Final = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def cell() -> Iterator[Cell]:
    with kernel_without_server() as run:
        run("from IPython.display import display")
        yield run


def compared(outputs: Outputs) -> list[Any]:
    """Return what nbval compares of a cell, in its order: neither metadata nor what widgets are."""
    kept = [output_from_msg(each) for each in outputs.messages if each["msg_type"] in KEPT]
    found = []
    for output in coalesce_streams(kept):
        if "data" in output:
            data = {kind: text for kind, text in output.data.items() if kind != WIDGET}
            found.append((output.output_type, data))
        else:
            found.append((output.output_type, output.get("text") or output.evalue))
    return found


CELLS: Final = {
    "to its end": ("{loop}", ["p"]),
    "no items": ("for x in pw.tqdm([], 'p', leave=False): pass\ntime.sleep({})", ["p"]),
    "track": ("for x in pw.track('ab', 'p', leave=False): time.sleep({} / 2)", ["p"]),
    "break": ("{loop}; break", ["p"]),
    "return": ("def f():\n  {loop}; return 5\nf()", ["p", "5"]),
    "caught": ("try:\n  {loop}; 1 / 0\nexcept ArithmeticError: pass\n'after'", ["p", "'after'"]),
    "with": (
        (
            "try:\n  with pw.tqdm(total=2, desc='p', leave=False) as bar:\n"
            "    bar.update(); time.sleep({}); 1 / 0\nexcept ArithmeticError: pass"
        ),
        ["p"],
    ),
    "prints": ("{loop}; print(x)\nprint('after')", ["p", "a\nb\nafter\n"]),
    "displays": ("display(0)\n{loop}; display(x)\n1", ["0", "p", "'a'", "'b'", "1"]),
    "between": (
        "for x in pw.track('a', 'k'): pass\n{loop}\nfor x in pw.track('a', 'l'): pass",
        ["k", "✓ k: 1", "p", "l", "✓ l: 1"],
    ),
    "inner": (
        "for y in pw.tqdm('ab', 'outer', leave=False):\n  {loop}\n",
        ["outer"],
    ),
    "stays open": ("bar = pw.tqdm(total=2, desc='p', leave=False); time.sleep({})\n1", ["p", "1"]),
    "left later": (
        "with pw.tqdm(total=2, desc='p') as bar:\n  bar.leave = False; time.sleep({})\n2",
        ["p", "2"],
    ),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_keeps_the_same_whatever_the_time(cell: Cell, name: str) -> None:
    code, texts = CELLS[name]
    code = code.replace("{loop}", "for x in pw.tqdm('ab', 'p', leave=False): time.sleep({} / 2)")
    known = None
    for seconds in ("0.0", "0.29", "0.31", "0.6"):
        outputs = cell(f"bar = None\n{code.replace('{}', seconds)}")
        found = compared(outputs)
        assert sorted(_text(each) for each in found) == sorted(texts)
        # Of streams nbval knows no place among the others.
        assert [_text(each) for each in found if each[0] != "stream"] == [
            text for text in texts if not text.endswith("\n")
        ]
        known = known or sorted(found, key=_is_stream)
        assert sorted(found, key=_is_stream) == known


def _text(output: tuple[str, Any]) -> str:
    kind, content = output
    return str(content if kind == "stream" else content["text/plain"])


def _is_stream(output: tuple[str, Any]) -> bool:
    return output[0] == "stream"


def test_what_goes_is_hidden_and_has_no_receipt(cell: Cell) -> None:
    outputs = cell("for x in pw.tqdm(range(3), 'p', leave=False): pass")
    (data,) = outputs.shown
    assert RECEIPT_MIMETYPE not in data
    assert data[JOB_MIMETYPE] == {"version": 1, "kind": "task", "name": "p"}
    # By these two a view knows that it shows nothing.
    assert (outputs.end["status"], outputs.end["leave"]) == ("done", False)


@pytest.mark.parametrize("seconds", [0, 0.4])
def test_a_thousand_of_them_do_not_flood_a_cell_and_take_no_place_of_others(
    cell: Cell, seconds: float
) -> None:
    outputs = cell(
        "for n in range(1000):\n"
        "    for x in pw.tqdm(range(2), f'p{n}', leave=False):\n"
        f"        time.sleep({seconds} if n in {{3, 500}} else 0)\n"
        "for n in range(22):\n"
        "    for x in pw.tqdm(range(2), f'k{n}'): pass"
    )
    assert outputs.titles == [*(f"p{n}" for n in range(20)), *(f"k{n}" for n in range(20))]
    assert outputs.receipts == [f"✓ k{n}: 2" for n in range(20)]
    assert outputs.texts == ["and 2 more"]
    # One that runs for long and has no output is shown in the place of the last that has one.
    assert (("p500", "running") in [known[:2] for known in outputs.ends]) == bool(seconds)
    assert outputs.count < 400


def test_one_without_an_output_is_not_shown_for_what_its_cell_displays(cell: Cell) -> None:
    outputs = cell(
        "for n in range(22):\n    for x in pw.tqdm('a', f'p{n}', leave=False): display(n)"
    )
    assert outputs.order == [text for n in range(20) for text in (f"p{n}", str(n))] + ["20", "21"]
    assert [known[0] for known in outputs.ends] == [f"p{n}" for n in range(20)]


@pytest.mark.parametrize("command", [["-c"], ["-m", "IPython", "--no-banner", "-c"]])
def test_none_is_left_outside_of_notebooks(command: list[str]) -> None:
    code = "import progresswidget as pw\nfor x in pw.track('ab', 'p', leave=False): pass"
    done = subprocess.run(
        [sys.executable, *command, code], capture_output=True, text=True, check=True, timeout=120
    )
    assert (done.stdout.strip(), done.stderr) == ("", "")
