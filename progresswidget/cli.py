"""The command line: ``python -m progresswidget export in.parquet out.csv``, transfers, pipes."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from progresswidget import texts
from progresswidget.errors import (
    DestinationExistsError,
    ExportInterrupted,
    OptionError,
    ProgressWidgetError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from progresswidget.export.result import Result
    from progresswidget.transfer.job import TransferJob
    from progresswidget.transfer.outcome import Transferred

FAILED: Final = 1
WRONG: Final = 2
"""Wrong arguments, as argparse has it."""
INTERRUPTED: Final = 130
"""What a shell reports of a command that was ended by Ctrl-C: 128 and the signal's number."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code.

    Parameters
    ----------
    arguments
        What follows the name of the program; by default those of the process.
    """
    said = list(sys.argv[1:] if arguments is None else arguments)
    try:
        # The options of a pipe are those of tqdm, which are written in ways that argparse has not.
        code = _track(said[1:]) if said[:1] == ["track"] else _run(said)
        sys.stdout.flush()
    except BrokenPipeError:
        # `… | head` has read enough. What is still to be flushed at the exit has no reader either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except ExportInterrupted as stop:
        print(stop, file=sys.stderr)  # noqa: T201 - the answer of a command
        return INTERRUPTED
    except ProgressWidgetError as error:
        words = texts.failure(texts.terminal_table(), error.code, str(error))
        print(f"progresswidget: {words}", file=sys.stderr)  # noqa: T201
        return FAILED
    return code


def _run(words: Sequence[str]) -> int:
    given = _parser().parse_args(words)
    code: int = given.run(given)
    return code


def _parser() -> argparse.ArgumentParser:
    from progresswidget import __version__

    parser = argparse.ArgumentParser(
        prog="progresswidget", description="Data to files, and files to and from servers."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    export = commands.add_parser("export", help="convert files of data to another format")
    export.add_argument(
        "source",
        nargs="+",
        help="a file, or a pattern in quotes: 'data/*.parquet'; several files of the same columns "
        "become one table, and in an archive an entry each",
    )
    export.add_argument("target", help="the file to write; its ending chooses the format")
    export.add_argument("--format", help="the format, whatever the ending is")
    export.add_argument(
        "-o",
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the format; see: progresswidget formats",
    )
    export.add_argument(
        "--column", action="append", metavar="NAME", help="write this column, and no other [all]"
    )
    export.add_argument("--where", metavar="SQL", help="the rows that are written: 'price > 10'")
    export.add_argument("--encrypt-to", action="append", metavar="RECIPIENT", help="with age")
    _add_common(export, _export)
    _add_transfers(commands)
    formats = commands.add_parser("formats", help="list the formats and their options")
    formats.add_argument("--json", action="store_true", help="as JSON, with what is installed")
    formats.set_defaults(run=_formats)
    commands.add_parser(
        "track", help="show the progress of what goes through a pipe", add_help=False
    )
    # Of the server alone, and so without a help: what is to be done comes by the standard input.
    commands.add_parser("convert").set_defaults(run=_convert)
    return parser


def _add_transfers(commands: Any) -> None:
    download = _add_transfer(
        commands,
        "download",
        "Fetch a file. It appears when it is complete; what was cut, stopped or killed goes on "
        "when the same command is run again.",
    )
    download.add_argument("url", help="the address of the file")
    download.add_argument("path", nargs="?", help="the file, or a folder [the present one]")
    download.add_argument(
        "-x", "--connections", type=int, default=4, metavar="N", help="at most so many at once [4]"
    )
    download.add_argument("--sha256", metavar="DIGEST", help="what the digest of the file must be")
    upload = _add_transfer(
        commands,
        "upload",
        "Send a file, to a server that speaks tus or else by PUT. What was cut, stopped or killed "
        "goes on when the same command is run again, if the server speaks tus.",
    )
    upload.add_argument("path", help="the file")
    upload.add_argument(
        "url", help="where uploads are made, or what the address of the file is to be"
    )
    upload.add_argument("--name", help="what the file is called there [as here]")
    for command, run in ((download, _download), (upload, _upload)):
        command.add_argument(
            "-H",
            "--header",
            action="append",
            default=[],
            metavar="HEADER",
            help="sent to that server only: 'NAME: VALUE', or @FILE with one in each line, which "
            "others on this machine cannot see",
        )
        command.add_argument(
            "--timeout",
            type=float,
            default=30.0,
            metavar="SECONDS",
            help="without a byte, after which a connection is opened anew [30]",
        )
        _add_common(command, run)


def _add_common(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    command.add_argument("--no-overwrite", action="store_true", help="keep a file that is there")
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.add_argument("--quiet", action="store_true", help="print nothing but errors")
    command.set_defaults(run=run)


def _add_transfer(commands: Any, name: str, description: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=description.partition(". ")[0].partition(",")[0].lower().rstrip("."),
        description=description,
        epilog="Exit status: 0 if the file is there, 1 if it is not, 2 for wrong arguments, 130 "
        "after Ctrl-C.",
    )
    return parser


def _download(given: argparse.Namespace) -> int:
    from progresswidget.transfer.job import download

    job = download(
        given.url,
        given.path,
        connections=given.connections,
        sha256=given.sha256,
        **_transfer_options(given),
    )
    return _tell(job, given, lambda done: done.path)


def _upload(given: argparse.Namespace) -> int:
    from progresswidget.transfer.job import upload

    job = upload(given.path, given.url, name=given.name, **_transfer_options(given))
    return _tell(job, given, lambda done: done.url)


def _transfer_options(given: argparse.Namespace) -> dict[str, Any]:
    return {
        "overwrite": not given.no_overwrite,
        "headers": dict(_header(text) for text in _lines(given.header)),
        "timeout": given.timeout,
        "background": given.quiet,  # which draws no bar
    }


def _lines(texts: Sequence[str]) -> Iterator[str]:
    for text in texts:
        if not text.startswith("@"):
            yield text
            continue
        try:
            content = Path(text[1:]).read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise OptionError(f"{text[1:]} cannot be read: {error}") from None
        yield from (line for line in content.splitlines() if line.strip())


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise OptionError(f"{text!r} is no header.", "Write it as 'NAME: VALUE'.")
    return name.strip(), value.strip()


def _tell(
    job: TransferJob, given: argparse.Namespace, place: Callable[[Transferred], object]
) -> int:
    done = job.result()
    fields = ("path", "url", "bytes", "sha256", "seconds", "reused")
    return _answer(given, done, fields, place(done))


def _answer(given: argparse.Namespace, done: Result, fields: Sequence[str], text: object) -> int:
    """Print what came of a command as it was asked to: as JSON, in a line, or not at all."""
    if given.json:
        values = {name: getattr(done, name) for name in fields}
        values |= {"path": str(done.path), "seconds": round(done.seconds, 3)}
        print(json.dumps(values))  # noqa: T201
    elif not given.quiet:
        print(text)  # noqa: T201
    return 0


def _export(given: argparse.Namespace) -> int:
    from progresswidget.export.formats import find_format
    from progresswidget.export.sources.files import Together
    from progresswidget.exporting import export

    options = dict(_option(text) for text in given.option)
    if given.quiet:
        options["background"] = True  # which draws no bar
    frame: object = given.source[0]
    if len(given.source) > 1:
        name, encrypted = Path(given.target).name, given.encrypt_to is not None
        packs = find_format(name, given.format, encrypted=encrypted).holds == "entries"
        frame = given.source if packs else Together(given.source)
        _refuse_to_replace(given.target)
    job = export(
        frame,
        given.target,
        format=given.format,
        overwrite=not given.no_overwrite,
        encrypt_to=given.encrypt_to,
        columns=given.column,
        where=given.where,
        **options,
    )
    result = job.result()
    fields = ("path", "rows", "omitted", "columns", "bytes", "sha256", "seconds", "reused")
    return _answer(given, result, fields, result.path)


def _refuse_to_replace(target: str) -> None:
    """Refuse a file that no export has written, where several are named.

    Of a pattern that a shell has replaced by names, and behind which the target was forgotten, the
    last name would be that of the file to write.
    """
    from progresswidget.export import finished
    from progresswidget.export.destination import existing, locate

    path = locate(target)
    if existing(path) is not None and finished.recall(path) is None:
        raise DestinationExistsError(
            f"{target} is there already, and is not known as the file of an export.",
            "The last name is the file to write: add it, or remove what is there.",
        )


def _option(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise OptionError(f"{text!r} is no option.", "Write it as NAME=VALUE.")
    return name, parse_value(value)


def parse_value(text: str) -> Any:
    """Return what a value on a command line stands for: JSON if it is any, else the text."""
    words = {"True": True, "False": False, "None": None, "\\t": "\t"}
    if text in words:
        return words[text]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _track(words: Sequence[str]) -> int:
    from progresswidget.loops import pipe
    from progresswidget.loops.errors import TqdmKeyError, TqdmTypeError

    try:
        pipe.main(argv=words, name="progresswidget track")
    except KeyboardInterrupt:
        return INTERRUPTED
    except (TqdmKeyError, TqdmTypeError) as error:
        print(f"progresswidget: {error.args[0]}", file=sys.stderr)  # noqa: T201
        return WRONG
    return 0


def _convert(given: argparse.Namespace) -> int:  # noqa: ARG001
    from progresswidget.converting import convert

    return convert(json.load(sys.stdin))


def _formats(given: argparse.Namespace) -> int:
    from progresswidget.export.formats import formats

    if given.json:
        from progresswidget.export.offers import offers

        print(json.dumps(offers()))  # noqa: T201
        return 0
    for row in formats().values():
        endings = " ".join(row.suffixes) + (" (.gz .zst .bz2 .xz)" if row.compressible else "")
        print(f"{row.name:<10}{endings}")  # noqa: T201
        for option in row.options:
            shown = "" if option.secret else f" [{option.default!r}]"
            print(f"    {option.name}: {option.summary}{shown}")  # noqa: T201
    return 0
