"""``%export df sales.csv`` and ``%%export sales.csv``, after ``%load_ext progresswidget``."""

from __future__ import annotations

import argparse
import ast
import glob
import shlex
from traceback import format_exception_only
from typing import TYPE_CHECKING, Any, Final, NoReturn

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from progresswidget.cli import parse_value
from progresswidget.errors import ProgressWidgetError

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from progresswidget.job import Job

FLAGS: Final = ("--background", "--no-overwrite", "--format", "--option", "--encrypt-to")


class _Parser(argparse.ArgumentParser):
    """A parser that leaves the process alone."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong as IPython's own magics do."""
        raise UsageError(f"{message}\n{self.format_usage()}")


def _parser(*, cell: bool) -> argparse.ArgumentParser:
    parser = _Parser(prog="%%export" if cell else "%export", add_help=False)
    if not cell:
        parser.add_argument("frame")
    parser.add_argument("path")
    parser.add_argument("--background", action="store_true")
    parser.add_argument("--no-overwrite", action="store_true")
    parser.add_argument("--format")
    parser.add_argument("-o", "--option", action="append", default=[])
    parser.add_argument("--encrypt-to", action="append")
    return parser


def _split(line: str) -> list[str]:
    """Return the words of a line as a shell does, but what is in brackets is Python's.

    Raises
    ------
    ValueError
        If a quote has no end.
    """
    found, depth, quote = [""], 0, ""
    for sign in line:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif sign in ")]}":
            depth -= 1
        if sign.isspace() and not quote and depth == 0:
            found.append("")
        else:
            found[-1] += sign
    if depth:
        return shlex.split(line)  # the name of a file, perhaps
    words: list[str] = []
    for word in found:
        whole = word[:1] not in {"'", '"'} and any(sign in word for sign in "([{")
        words += [word] if whole else shlex.split(word)
    return words


@magics_class
class ExportMagics(Magics):  # type: ignore[misc]
    """The magics of this package."""

    @no_var_expand  # type: ignore[untyped-decorator]
    @line_cell_magic  # type: ignore[untyped-decorator]
    def export(self, line: str, cell: str | None = None) -> Job | None:
        """Export a frame, or the value of a cell's last expression.

        %export FRAME PATH [--background] [--no-overwrite] [--format NAME] [--option NAME=VALUE]

        %%export PATH [the same]
        """
        try:
            words = _split(line)
        except ValueError as error:
            raise UsageError(f"{error}: {line}") from None
        given = _parser(cell=cell is not None).parse_args(words)
        frame = self._evaluate(given.frame) if cell is None else self._run(cell)
        options = {}
        for text in given.option:
            name, equals, value = text.partition("=")
            if not equals:
                raise UsageError(f"--option {text}: write it as NAME=VALUE")
            options[name] = parse_value(value)
        from progresswidget.exporting import export

        job = export(
            frame,
            given.path,
            background=given.background,
            overwrite=not given.no_overwrite,
            format=given.format,
            encrypt_to=given.encrypt_to,
            **options,
        )
        return job if given.background else None

    def _evaluate(self, text: str) -> Any:
        try:
            tree = compile(text, "<%export>", "eval")
        except SyntaxError as error:
            raise UsageError(f"{text!r} is no expression: {error.msg}") from None
        try:
            return eval(tree, self.shell.user_global_ns, self.shell.user_ns)  # noqa: S307 - the user's
        except NameError as error:
            # Deeper frames are of what the expression calls: there the traceback is of use.
            inside = error.__traceback__ and error.__traceback__.tb_next
            if inside is not None and inside.tb_next is None:
                raise UsageError(f"{error}") from None
            raise

    def _run(self, cell: str) -> Any:
        """Run a cell's statements and return the value of the expression at its end."""
        shell = self.shell
        # With the line of the magic before it, so that errors count lines as the user does.
        source = "\n" + shell.transform_cell(cell)
        # The cell that runs is the last input; its own count IPython raises before or after it.
        number = len(shell.history_manager.input_hist_parsed) - 1
        name = shell.compile.cache(source, number, raw_code="\n" + cell)
        try:
            body = ast.parse(source, name).body
            if not body or not isinstance(body[-1], ast.Expr):
                raise UsageError("The last line of the cell must be the frame to export.")
            value = compile(ast.Expression(body.pop().value), name, "eval")
            statements = compile(ast.Module(body=body, type_ignores=[]), name, "exec")
        except SyntaxError as error:
            # Without the frames of IPython and of this package, which it would show.
            where = "".join(format_exception_only(error)).partition("\n")[2].rstrip()
            raise UsageError(f"line {error.lineno} of the cell:\n{where}") from None
        exec(statements, shell.user_global_ns, shell.user_ns)  # noqa: S102
        return eval(value, shell.user_global_ns, shell.user_ns)  # noqa: S307


def complete(shell: InteractiveShell, event: Any) -> list[str]:
    """Return what may come next on the line of a magic: a frame, a file, a flag."""
    cell = event.command.startswith("%%")
    words = event.line[: len(event.line) - len(event.symbol)].split()[1:]
    if words and words[-1] == "--format":
        from progresswidget.export.formats import formats

        return [name for name in formats() if name.startswith(event.symbol)]
    if event.symbol.startswith("-"):
        return [flag for flag in FLAGS if flag.startswith(event.symbol)]
    plain = [word for word in words if not word.startswith("-")]
    if not plain and not cell:
        return _frames(shell, event.symbol)
    return sorted(glob.glob(f"{glob.escape(event.symbol)}*"))  # noqa: PTH207 - as it was typed


def _frames(shell: InteractiveShell, start: str) -> list[str]:
    from progresswidget.export.sources import find_kind

    found = []
    for name, value in shell.user_ns.items():
        if name.startswith("_") or not name.startswith(start) or isinstance(value, str):
            continue
        try:
            find_kind(value)
        except ProgressWidgetError:
            continue
        found.append(name)
    return found


def load(shell: InteractiveShell) -> None:
    """Register the magics and their completion."""
    shell.register_magics(ExportMagics)
    for command in ("%export", "%%export"):
        shell.set_hook("complete_command", complete, str_key=command)
