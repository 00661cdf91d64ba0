"""Which files of this computer a plan of polars reads, wherever in it."""

from __future__ import annotations

import glob
import os
import re
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from progresswidget.export.sources.marks import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

_ARROW: Final = re.compile(r"^ *Ipc SCAN \[(.*)\]$", re.IGNORECASE | re.MULTILINE)
_PATH: Final = re.compile(rb"\xa5inner(?:([\xa0-\xbf])|\xd9(.)|\xda(..))", re.DOTALL)
"""MessagePack: a key, and the beginning of a text of up to 31 bytes, or of up to 255, or more."""


def files_of(query: pl.LazyFrame) -> list[str]:
    """Return the files that a plan reads, as far as polars tells them.

    Of functions of Python over a plan it tells nothing.
    """
    panic = sys.modules["polars"].exceptions.PanicException
    found: list[str] = []
    with suppress(Exception, panic):  # of polars' insides, which may be others tomorrow
        found += _arrow_files(query)
    with suppress(Exception, panic):
        at = query._ldf.visit()  # noqa: SLF001 - what polars' own engine for GPUs reads plans by
        waiting = [at.get_node()]
        while waiting:
            at.set_node(waiting.pop())
            waiting += at.get_inputs()
            with suppress(Exception, panic):
                found += map(str, getattr(at.view_current_node(), "paths", ()))
    return found


def _arrow_files(query: pl.LazyFrame) -> list[str]:
    """Return the Arrow files, which polars tells in words, or all of them in a serialised plan."""
    told = query.explain(optimized=False)
    scans = _ARROW.findall(told)
    if "DF [" in told:  # all of a frame would be serialised
        return [path for scan in scans for path in listed(scan)]
    return [each for path in _paths(query.serialize() if scans else b"") for each in _there(path)]


def _there(path: str) -> list[str]:
    if os.path.isfile(path):  # noqa: PTH113
        return [path]
    if os.path.isdir(path):  # noqa: PTH112
        path = os.path.join(glob.escape(path), "**")  # noqa: PTH118
    found = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - in the order of polars
    return [each for each in found if os.path.isfile(each)]  # noqa: PTH113


def _paths(written: bytes) -> Iterator[str]:
    for found in _PATH.finditer(written):
        short, *longer = found.groups()
        size = short[0] & 0x1F if short else int.from_bytes(longer[0] or longer[1], "big")
        yield os.fsdecode(written[found.end() : found.end() + size])
