"""``… | python -m progresswidget track | …``: progress of what goes through a pipe.

It takes the options of ``python -m tqdm``, as they stand in people's scripts.
"""

from __future__ import annotations

import logging
import re
import sys
from ast import literal_eval
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from progresswidget.loops.bar import tqdm
from progresswidget.loops.errors import TqdmKeyError, TqdmTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    Value: TypeAlias = bool | int | float | str | bytes

_log = logging.getLogger("progresswidget")

OPTIONS: Final = {
    "desc": ("text", "what is said before the bar"),
    "total": ("int or float", "how much there is"),
    "leave": ("bool", "whether the line stays [True]"),
    "ncols": ("int", "columns of the line"),
    "mininterval": ("float", "seconds between two lines, at least [0.1]"),
    "maxinterval": ("float", "seconds between two lines, at most [10]"),
    "miniters": ("int or float", "steps between two lines, at least"),
    "ascii": ("bool or text", "whether the bar is of ASCII characters, or of which"),
    "disable": ("bool", "whether to show nothing"),
    "unit": ("text", "what a step is called [it]"),
    "unit_scale": ("bool or int or float", "whether numbers have prefixes, or their factor"),
    "dynamic_ncols": ("bool", "whether the width of the terminal may change"),
    "smoothing": ("float", "the share of the newest observation in the rate [0.3]"),
    "bar_format": ("text", "the line, with names in braces"),
    "initial": ("int or float", "steps that were done before [0]"),
    "position": ("int", "the row of the line, counted from 0"),
    "postfix": ("text", "what is said behind the rate"),
    "unit_divisor": ("float", "from one prefix to the next [1000]"),
    "write_bytes": ("bool", "whether the bar is written as bytes"),
    "nrows": ("int", "rows of the terminal"),
    "colour": ("text", "of the bar"),
    "delay": ("float", "seconds before the first line"),
    "delim": ("character", "what ends a step; \\0 for null [\\n]"),
    "buf_size": ("int", "bytes that are read at once, where a step ends with a delim"),
    "bytes": ("bool", "whether bytes are counted, and no steps"),
    "tee": ("bool", "whether what goes through is also written above the bar"),
    "update": ("bool", "whether the input is numbers, of steps that are new"),
    "update_to": ("bool", "whether the input is numbers, of steps in all"),
    "null": ("bool", "whether nothing is written to the output"),
    "manpath": ("text", "a folder to write the manual page into, and no more"),
    "comppath": ("text", "a folder to write the completion for bash into, and no more"),
    "log": ("text", "CRITICAL, ERROR, WARNING, INFO or DEBUG [INFO]"),
}
"""Options, with the types that they may have and what they mean."""
BLOCK: Final = 1 << 16
_OPTION: Final = re.compile(r"--?([A-Za-z][^\s=]*)(?:=(.*))?", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\\w+")
_WORDS: Final = {"": True, "True": True, "False": False}


def main(fp: Any = None, argv: Sequence[str] | None = None, name: str = "tqdm") -> None:
    """Copy the standard input to the standard output, and show how far it is.

    Parameters
    ----------
    fp
        Where the bar is written; stderr by default.
    argv
        The options; by default what the process was called with.
    name
        How the command is called: for its manual.

    Raises
    ------
    TqdmKeyError, TqdmTypeError
        If an option is not known or has no such value; the input is copied all the same.
    """
    shown = sys.stderr if fp is None else fp
    given = list(sys.argv[1:] if argv is None else argv)
    _answer(given, name)
    source: Any = getattr(sys.stdin, "buffer", sys.stdin)
    try:
        options = _options(given)
        logging.basicConfig(level=_level(options.pop("log", "INFO")))
        mode = _mode(options)
    except (TqdmKeyError, TqdmTypeError):
        shown.write(f"\nError:\n{_usage(name)}")
        for item in source:
            _standard_output(item).write(item)
        raise
    _log.debug("progress of a pipe: %s", options)
    _write_papers(options, name)
    _copy(source, shown, options, mode)


# --- The options ---------------------------------------------------------------------------------


def _options(arguments: Iterable[str]) -> dict[str, Any]:
    texts: dict[str, str] = {}
    name = ""
    for argument in arguments:
        found = _OPTION.fullmatch(argument)
        if found is not None:
            name = found[1].replace("-", "_")
            texts[name] = found[2] or ""
        elif not name:
            raise TqdmKeyError(f"{argument} is no option")
        else:  # as tqdm takes it: a value may have spaces
            texts[name] = f"{texts[name]} {argument}" if texts[name] else argument
    unknown = next((name for name in texts if name not in OPTIONS), None)
    if unknown is not None:
        raise TqdmKeyError(f"{unknown} is no option")
    return {name: _value(text, OPTIONS[name][0]) for name, text in texts.items()}


def _value(text: str, kinds: str) -> Value:
    for kind in kinds.split(" or "):
        try:
            return _KINDS[kind](text)
        except (KeyError, ValueError, SyntaxError):
            continue
    raise TqdmTypeError(f"{text} : {kinds}")


def _character(text: str) -> bytes:
    if _ESCAPED.fullmatch(text):
        text = literal_eval(f'"{text}"')
    if len(text) != 1:
        raise ValueError(text)
    return text.encode()


_KINDS: Final[dict[str, Callable[[str], Value]]] = {
    "bool": _WORDS.__getitem__,
    "int": int,
    "float": float,
    "text": str,
    "character": _character,
}


def _mode(options: dict[str, Any]) -> str:
    """Return what is counted in the place of lines, and take it out of the options."""
    modes = [mode for mode in ("bytes", "update", "update_to") if options.pop(mode, False)]
    if len(modes) > 1:
        raise TqdmKeyError("Can only have one of --bytes --update --update_to")
    return "".join(modes)


def _level(text: str) -> int:
    levels = logging.getLevelNamesMapping()
    if text not in levels:
        raise TqdmTypeError(f"{text} : log")
    return levels[text]


# --- The pipe ------------------------------------------------------------------------------------


def _copy(source: Any, shown: Any, options: dict[str, Any], mode: str) -> None:
    delim, block = options.pop("delim", b"\n"), options.pop("buf_size", BLOCK)
    write = _writer(shown, null=options.pop("null", False), tee=options.pop("tee", False))
    if mode == "bytes":
        options = {"unit": "B", "unit_scale": True, "unit_divisor": 1024, **options}
        with tqdm(file=shown, **options) as bar:
            for piece in _pieces(source, block):
                write(piece)
                bar.update(len(piece))
        return
    lines = source if delim == b"\n" else _parts(source, delim, block)
    if not mode:
        for line in tqdm(lines, file=shown, **options):
            write(line)
        return
    with tqdm(file=shown, **options) as bar:
        for line in lines:
            write(line)
            bar.update(_number(line.removesuffix(delim)) - (bar.n if mode == "update_to" else 0))


def _pieces(source: Any, block: int) -> Iterator[bytes]:
    # What has come is passed on: whoever writes the other end may take his time.
    read = getattr(source, "read1", source.read)
    while piece := read(block):
        yield piece


def _parts(source: Any, delim: bytes, block: int) -> Iterator[bytes]:
    begun = b""
    for piece in _pieces(source, block):
        *whole, begun = (begun + piece).split(delim)
        for part in whole:
            yield part + delim
    if begun:
        yield begun


def _number(text: bytes) -> float:
    try:
        found = literal_eval(text.decode().strip())
    except (ValueError, SyntaxError):
        found = None
    if isinstance(found, int | float):
        return found
    raise TqdmTypeError(f"{text!r} is no number")


def _writer(shown: Any, *, null: bool, tee: bool) -> Callable[[Any], object]:
    def write(item: Any) -> None:
        if tee:
            with tqdm.external_write_mode(file=shown):
                getattr(shown, "buffer", shown).write(item)
        if not null:
            _standard_output(item).write(item)

    return write if tee else _nothing if null else _standard_output(b"").write


def _standard_output(item: Any) -> Any:
    return sys.stdout if isinstance(item, str) else getattr(sys.stdout, "buffer", sys.stdout)


def _nothing(_: object) -> None:
    """Write nothing."""


# --- What is said of the command -----------------------------------------------------------------


def _answer(arguments: Sequence[str], name: str) -> None:
    from progresswidget import __version__

    if {"-v", "--version"} & set(arguments):
        sys.stdout.write(f"{__version__}\n")
        raise SystemExit(0)
    if {"-h", "--help"} & set(arguments):
        lines = [f"  --{each:<14}  {text} ({kind})\n" for each, (kind, text) in OPTIONS.items()]
        sys.stdout.write("".join([_usage(name), "\n", __doc__ or "", "\nOptions:\n", *lines]))
        raise SystemExit(0)


def _usage(name: str) -> str:
    return f"Usage:\n  {name} [--help | options]\n"


def _write_papers(options: dict[str, Any], name: str) -> None:
    """Write the manual page and the completion where that is asked for, and then end."""
    named = name.replace(" ", "-")
    folders = [options.pop(each, None) for each in ("manpath", "comppath")]
    papers = ((f"{named}.1", _manual(name)), (f"{named}_completion.sh", _completion(name)))
    for folder, (file, text) in zip(folders, papers, strict=True):
        if folder is not None:
            Path(folder, file).write_text(text, encoding="utf-8")
    if folders != [None, None]:
        raise SystemExit(0)


def _manual(name: str) -> str:
    heading = [f'.TH "{name.upper()}" "1" "" "" ""', ".SH NAME", f"{name} - progress of a pipe"]
    usage = [".SH SYNOPSIS", f"... | {name} [options] | ...", ".SH OPTIONS"]
    options = [
        f".TP\n\\-\\-{each} ({kind})\n{text.replace(chr(92), chr(92) + 'e')}"
        for each, (kind, text) in OPTIONS.items()
    ]
    return "\n".join([*heading, *usage, *options, ""])


def _completion(name: str) -> str:
    command, *rest = name.split()
    words = " ".join(f"--{each}" for each in ("help", "version", *OPTIONS))
    function = f"_{name.replace(' ', '_')}"
    condition = f'[[ "${{COMP_WORDS[1]}}" == "{rest[0]}" ]] || return\n  ' if rest else ""
    return (
        f"{function}() {{\n  {condition}"
        f'COMPREPLY=($(compgen -W "{words}" -- "${{COMP_WORDS[COMP_CWORD]}}"))\n}}\n'
        f"complete -o default -F {function} {command}\n"
    )
