"""What is asked for with ``POST api/conversions``: a file to be written as another format."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from progresswidget.protocol.decoding import MalformedError, json_object
from progresswidget.protocol.fields import Field, Fields, read
from progresswidget.protocol.limits import MAX_PATH

if TYPE_CHECKING:
    from progresswidget.protocol.words import Json

_TEXTS: Final = (".csv", ".tsv", ".ndjson", ".jsonl")
READABLE: Final = (
    *(".parquet", ".arrow", ".feather", ".ipc", ".arrows", ".orc"),
    *_TEXTS,
    *(text + packed for text in _TEXTS for packed in (".gz", ".zst", ".bz2")),
)
"""Endings of the files that can be read as a table."""

MAX_OPTIONS: Final = 64
MAX_OPTION: Final = 4_096
"""Characters of the text of an option, and entries of a list of texts."""
_OPTION: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")

CONVERSION_FIELDS: Final[Fields] = {
    "source": Field("text", "Path of the file below the server's root.", MAX_PATH),
    "target": Field("text", "Path of the new file below the server's root.", MAX_PATH),
    "format": Field("text", "Name of its format; empty: by its ending.", 32, missing=""),
    "overwrite": Field("flag", "Whether a file that is there is replaced.", missing=False),
    "options": Field(
        "object",
        "Options of the format by their names: texts, numbers, true, false, null, lists of texts.",
        missing=None,
        nullable=True,
        fields={},
    ),
}


def is_readable(name: str) -> bool:
    """Say whether a file of this name can be read as a table."""
    return name.lower().endswith(READABLE)


def decode_conversion(body: bytes) -> Json:
    """Read and check the body of a ``POST api/conversions``.

    Raises
    ------
    MalformedError
        If it does not follow `CONVERSION_FIELDS`.
    """
    order = json_object(body)
    return read(CONVERSION_FIELDS, order) | {"options": _options(order.get("options"))}


def _options(value: object) -> Json:
    if value is None:
        return {}
    if not isinstance(value, dict) or len(value) > MAX_OPTIONS:
        raise MalformedError("malformed", f"options must be an object of at most {MAX_OPTIONS}")
    for name, one in value.items():
        if _OPTION.fullmatch(name) is None:
            raise MalformedError("malformed", "an option has a name in small letters")
        texts = one if isinstance(one, list) else [one] if isinstance(one, str) else []
        if len(texts) > MAX_OPTION or not all(_is_text(text) for text in texts):
            raise MalformedError("malformed", f"the option {name} is too long, or no text")
        if isinstance(one, dict):
            raise MalformedError("malformed", f"the option {name} must not be an object")
    return dict(value)


def _is_text(value: object) -> bool:
    if not isinstance(value, str) or len(value) > MAX_OPTION:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
