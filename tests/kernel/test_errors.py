"""What a notebook shows of an error: the lines of the person, and none of ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from jupyter_client.manager import start_new_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LIMIT = 120
GENERATOR = """
def rows():
    yield {"a": 1}
    1 / 0

pw.export(rows(), "a.csv")
"""
CALLED = """
def mine(frame):
    return pw.export(frame, "a.csv")

mine(5)
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """Run a cell that fails, and return what is shown of it."""
    folder: Path = tmp_path_factory.mktemp("errors")
    manager, client = start_new_kernel(cwd=str(folder))

    def run(code: str) -> str:
        found: list[str] = []
        client.execute_interactive(
            code,
            output_hook=lambda message: found.extend(message["content"].get("traceback", ())),
            timeout=LIMIT,
        )
        return re.sub("\x1b\\[[0-9;]*m", "", "\n".join(found))

    assert run("import progresswidget as pw") == ""
    yield run
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    manager.context.destroy()


@pytest.mark.parametrize(
    ("code", "last", "own"),
    [
        ("pw.export(5, 'a.csv')", "UnsupportedSourceError: An object of type int", "pw.export"),
        ("pw.export([{'a': 1}], 'no/a.csv')", "DestinationError: ", "'no/a.csv'"),
        ("pw.export([{'a': 1}], 'a.csv', where='b>1')", "OptionError: The SQL", "where="),
        ("pw.export([{'a': 1}, {'a': 'x'}], 'a.csv')", "ColumnError: The column 'a'", "'x'"),
        (CALLED, "UnsupportedSourceError: ", "in mine(frame)"),
    ],
)
def test_what_is_refused_is_shown_at_the_line_that_called(
    shown: Callable[[str], str], code: str, last: str, own: str
) -> None:
    text = shown(code)
    trace, _, said = text.rpartition("\n\n")
    assert said.startswith(last)
    assert own in trace
    assert "File " not in text
    assert "direct cause" not in text


def test_code_of_the_person_that_fails_is_shown_where_it_does(
    shown: Callable[[str], str],
) -> None:
    text = shown(GENERATOR)
    cause, _, rest = text.partition("The above exception was the direct cause")
    assert "----> 3     1 / 0" in cause
    assert "ZeroDivisionError: division by zero" in cause
    assert '----> 5 pw.export(rows(), "a.csv")' in rest
    assert "SourceError: The frame failed while it was read: division by zero" in rest
    assert "/progresswidget/" not in text
