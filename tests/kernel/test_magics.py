from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pandas as pd
import polars as pl
import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_server")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[InteractiveShell]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    made = InteractiveShell()
    made.run_line_magic("load_ext", "progresswidget")
    made.user_ns["sales"] = pl.DataFrame({"a": [1, 2]})
    made.user_ns["salary"] = 3
    yield made
    made.history_manager.enabled = False
    made.history_manager.end_session()
    InteractiveShell.clear_instance()


def run(shell: InteractiveShell, cell: str) -> Any:
    done = shell.run_cell(cell)
    done.raise_error()
    return done.result


def test_a_frame_is_exported(shell: InteractiveShell, tmp_path: Path) -> None:
    assert run(shell, "%export sales sales.csv") is None
    assert (tmp_path / "work/sales.csv").read_text() == "a\n1\n2\n"


def test_expressions_quotes_and_options(shell: InteractiveShell, tmp_path: Path) -> None:
    run(shell, "%export 'sales.tail(1)' 'my sales.csv' --option header=false")
    assert (tmp_path / "work/my sales.csv").read_text() == "2\n"


@pytest.mark.parametrize(
    ("line", "path", "text"),
    [
        ('sales[sales["a"] == 2] some.csv', "some.csv", "a\n2\n"),
        ("sales.select(a = 'a', b = \"a\") 'two [1].csv'", "two [1].csv", "a,b\n1,1\n2,2\n"),
        ("sales rows(1.csv -o header=false", "rows(1.csv", "1\n2\n"),
        ("sales data[1].csv --option null='x y'", "data[1].csv", "a\n1\n2\n"),
    ],
)
def test_what_is_in_brackets_is_python(
    line: str, path: str, text: str, shell: InteractiveShell, tmp_path: Path
) -> None:
    if "==" in line:
        shell.user_ns["sales"] = pd.DataFrame({"a": [1, 2]})
        line += " -o index=false"
    run(shell, f"%export {line}")
    assert (tmp_path / "work" / path).read_text() == text


def test_a_background_job_is_returned(shell: InteractiveShell) -> None:
    job = run(shell, "job = %export sales sales.csv --background\njob")
    assert job.result(60).rows == 2


def test_a_cell_exports_its_last_value(shell: InteractiveShell, tmp_path: Path) -> None:
    run(shell, "%%export doubled.csv\ntwice = sales.with_columns(pw_b=2)\ntwice")
    assert (tmp_path / "work/doubled.csv").read_text() == "a,pw_b\n1,2\n2,2\n"
    assert "twice" in shell.user_ns


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%export sales", "required: path"),
        ("%export 'sales +' a.csv", "no expression"),
        ("%export sold a.csv", "name 'sold' is not defined"),
        ("%export sales a.csv --option header", "NAME=VALUE"),
        ("%export 'sales a.csv", "No closing quotation"),
        ("%%export a.csv\nx = 1", "last line"),
        ("%%export a.csv\nx = 1\nsales[", r"line 3 of the cell:\n +sales\[\n.*never closed"),
        ("%%export a.csv\nx = await later()\nsales", r"line 2 of the cell:\n.*'await' outside"),
    ],
)
def test_wrong_lines_say_what_is_wrong(shell: InteractiveShell, cell: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"(?s){message}"):
        run(shell, cell)


def test_a_name_that_is_missing_in_a_function_keeps_its_traceback(
    shell: InteractiveShell,
) -> None:
    run(shell, "def rows(): return sold")
    with pytest.raises(NameError, match="sold"):
        run(shell, "%export rows() a.csv")


def test_an_error_in_a_cell_is_shown_with_its_line(
    shell: InteractiveShell, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.run_cell("sales", store_history=True)
    shell.run_cell("%%export a.csv\nx = 1\ny = x / 0\nsales", store_history=True)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert "----> 3 y = x / 0" in shown
    assert "input-2-" in shown  # the second cell


@pytest.mark.parametrize(
    ("line", "expected", "not_expected"),
    [
        ("%export sal", "sales", "salary"),
        ("%export sales da", "data.csv", "sales"),
        ("%%export da", "data.csv", "sales"),
        ("%export sales data.csv --no", "--no-overwrite", "data.csv"),
        ("%export sales data.csv --format pa", "parquet", "csv"),
    ],
)
def test_completion(
    shell: InteractiveShell, line: str, expected: str, not_expected: str, tmp_path: Path
) -> None:
    (tmp_path / "work/data.csv").write_text("")
    with provisionalcompleter():
        matches = [each.text for each in shell.Completer.completions(line, len(line))]
    assert expected in matches
    assert not_expected not in matches


def test_a_real_kernel_has_the_magics(tmp_path: Path) -> None:
    code = """
import sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
try:
    client.execute_interactive("%load_ext progresswidget\\nimport polars as pl\\n"
        "sales = pl.DataFrame({'a': [1]})", timeout=60)
    reply = client.complete("%export sal", 11, reply=True, timeout=60)
    assert "sales" in reply["content"]["matches"], reply
    reply = client.execute_interactive("%export sales sales.csv", timeout=60)
    assert reply["content"]["status"] == "ok", reply
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
print(open("sales.csv").read())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout.endswith("a\n1\n\n"), done.stderr
