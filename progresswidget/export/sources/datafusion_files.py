"""Which files of this computer a frame of DataFusion reads, as its physical plan tells them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, Final

from progresswidget.export.sources.marks import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

_GROUPS: Final = re.compile(r"file_groups=\{\d+ groups?: \[(.*?)\]\}")
_GROUP: Final = re.compile(r"\[([^\[\]]*)\]")
_RANGE: Final = re.compile(r":\d+\.\.\d+(?=, |$)")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Kinds of fields in Protocol Buffers."""


def files_of(frame: Any) -> list[str]:
    """Return the files that a frame reads, as far as DataFusion tells them.

    Its plan tells all of them in its serialised form, which is not asked for where the plan reads
    memory, too, for it may hold what is in there. As text it tells the first five of each group.
    """
    try:
        plan = frame.execution_plan()
        shown = plan.display_indent()
        groups = _GROUPS.findall(shown)
        if shown.count("DataSourceExec") > len(groups):
            lists = [_RANGE.sub("", group) for each in groups for group in _GROUP.findall(each)]
            return [path for each in lists for path in listed(each, "/")]
        written = (getattr(plan, "to_bytes", None) or plan.to_proto)() if groups else b""
    except Exception:  # noqa: BLE001 - what tells of files must not end the reading of them
        return []
    names = {f"/{name}" for name in _texts(written)}
    return [path for path in names if os.path.isfile(path)]  # noqa: PTH113


def _texts(message: bytes) -> Iterator[str]:
    """Yield what may be text in a message of Protocol Buffers, and in those that it holds."""
    waiting = [message]
    while waiting:
        for field in _fields(waiting.pop()):
            waiting.append(field)
            if b"\0" not in field:
                yield os.fsdecode(field)


def _fields(message: bytes) -> list[bytes]:
    """Return the fields of a message that hold bytes; none where it is no message."""
    found = []
    at = 0
    try:
        while at < len(message):
            key, at = _varint(message, at)
            kind = key & 7
            if kind == _VARINT:
                _, at = _varint(message, at)
            elif kind in {_FIXED32, _FIXED64}:
                at += 4 if kind == _FIXED32 else 8
            elif kind == _BYTES:
                size, at = _varint(message, at)
                found.append(message[at : at + size])
                at += size
            else:
                return []
    except IndexError:
        return []
    return found if at == len(message) else []


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while message[at] & 0x80:
        value |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
    return value | message[at] << shift, at + 1
