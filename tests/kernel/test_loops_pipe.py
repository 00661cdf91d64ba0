"""Progress of what goes through a pipe: all of it arrives, whatever is counted and shown."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from progresswidget import cli
from progresswidget.loops import pipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import ReportingServer

COMMAND = (sys.executable, "-m", "progresswidget", "track")
LINES = b"".join(b"%d\n" % number for number in range(1000))


@dataclass
class Done:
    """What a command came to."""

    code: int
    out: bytes
    err: bytes


@pytest.fixture
def piped(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Done]:
    def run(*options: str, given: bytes = LINES) -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        code = cli.main(["track", *options])
        return Done(code, *capsysbinary.readouterr())

    return run


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize(
    ("options", "given", "told"),
    [
        (["--total", "1000"], LINES, b"1000/1000"),
        (["--desc", "two", "words", "--unit=row"], LINES, b"two words: 1000row"),
        (["--bytes"], LINES, b"3.80k"),
        (["--bytes", "--unit_scale=False"], bytes(range(256)) * 500, b"128000B"),
        (["--delim", r"\0"], b"a\0b\0c", b"3it"),
        (["--delim=;", "--buf-size", "3"], b"one;two;three;", b"3it"),
        (["--update"], b"5\n6\n", b"11it"),
        (["--update-to"], b"5\n6.5\n", b"6.5it"),
    ],
)
def test_what_goes_in_comes_out_and_is_counted(
    piped: Callable[..., Done], options: list[str], given: bytes, told: bytes
) -> None:
    done = piped(*options, given=given)
    assert (done.code, done.out) == (0, given)
    assert told in done.err


@pytest.mark.usefixtures("no_server")
def test_it_may_be_written_nowhere_or_twice(piped: Callable[..., Done]) -> None:
    assert piped("--null").out == b""
    both = piped("--tee", given=b"first\nsecond\n")
    assert both.out == b"first\nsecond\n"
    assert b"first\n" in both.err
    assert piped("--tee", "--null", given=b"x\n").out == b""


@pytest.mark.usefixtures("no_server")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--totl", "3"], b"totl is no option"),
        (["file.txt"], b"file.txt is no option"),
        (["--total", "many"], b"many : int or float"),
        (["--leave", "maybe"], b"maybe : bool"),
        (["--delim", "ab"], b"ab : character"),
        (["--delim", r"\xq"], b"character"),
        (["--log", "LOUD"], b"LOUD : log"),
        (["--update", "--bytes"], b"only have one of"),
    ],
)
def test_wrong_options_are_said_and_lose_nothing(
    piped: Callable[..., Done], options: list[str], said: bytes
) -> None:
    done = piped(*options)
    assert (done.code, done.out) == (cli.WRONG, LINES)
    assert said in done.err
    assert b"Traceback" not in done.err


@pytest.mark.usefixtures("no_server")
def test_what_is_no_number_is_said(piped: Callable[..., Done]) -> None:
    done = piped("--update", given=b"5\nsix\n")
    assert done.code == cli.WRONG
    assert b"b'six' is no number" in done.err


@pytest.mark.usefixtures("no_server")
def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    script = f"yes | {shlex.quote(sys.executable)} -m progresswidget track | head -n 3"
    done = subprocess.run(["bash", "-c", script], capture_output=True, check=False, timeout=60)
    assert done.stdout == b"y\ny\ny\n"
    assert b"Traceback" not in done.stderr


def test_on_a_server_it_is_a_job(reporting_server: ReportingServer) -> None:
    with subprocess.Popen([*COMMAND, "--desc=rows", "--total=2"], stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(b"one\n")
        process.stdin.flush()
        with reporting_server.arrived:
            assert reporting_server.arrived.wait_for(lambda: reporting_server.reports, 60)
        process.stdin.write(b"two\n")
        process.stdin.close()
    last = reporting_server.reports[-1]
    assert (last["title"], last["status"]) == ("rows", "done")
    assert (last["rows"], last["total"]) == (2, 2)


def test_the_help_names_each_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["track", "--help"])
    told = capsys.readouterr().out
    assert "progresswidget track" in told
    assert all(f"--{name}" in told for name in pipe.OPTIONS)
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    assert "track" in capsys.readouterr().out


def test_bash_completes_its_options(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        cli.main(["track", "--comppath", str(tmp_path)])
    script = tmp_path / "progresswidget-track_completion.sh"
    asked = f"source '{script}'; COMP_WORDS=(progresswidget {{}} --unit); COMP_CWORD=2; {{}}; "
    call = "_progresswidget_track; echo ${COMPREPLY[@]}"
    for command, expected in (("track", "--unit --unit_scale --unit_divisor"), ("export", "")):
        done = subprocess.run(
            ["bash", "-c", asked.format(command, ":") + call],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == expected, done.stderr


def test_the_manual_is_a_page_of_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit):
        cli.main(["track", "--manpath", str(tmp_path)])
    page = (tmp_path / "progresswidget-track.1").read_text()
    assert page.startswith('.TH "PROGRESSWIDGET TRACK" "1"')
    assert all(f"\\-\\-{name} " in page for name in pipe.OPTIONS)
