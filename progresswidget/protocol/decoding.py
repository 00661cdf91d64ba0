"""What all decoders need: the refusal, ids and counts, and JSON itself."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, cast

from progresswidget.protocol.limits import MAX_COUNT

if TYPE_CHECKING:
    from progresswidget.protocol.words import Json

TASK_ID: Final = "[0-9a-f]{32}"
_TASK_ID = re.compile(TASK_ID)


class MalformedError(ValueError):
    """A message or report that breaks the contract.

    Parameters
    ----------
    code
        One of the error codes of the wire, for instance ``malformed``.
    message
        What is wrong and where, for the person who wrote the client.
    re
        The ``id`` of the message that is answered, if it could be read.
    """

    def __init__(self, code: str, message: str, re: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.re = re


def is_task_id(text: object) -> bool:
    """Say whether `text` is a task id: 128 random bits as 32 lower-case hexadecimal digits."""
    return isinstance(text, str) and _TASK_ID.fullmatch(text) is not None


def is_count(value: object) -> bool:
    """Say whether `value` is a whole number from 0 to `MAX_COUNT`."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_COUNT


def json_object(text: str | bytes) -> Json:
    """Read a JSON object (RFC 8259).

    Raises
    ------
    MalformedError
        If it is no JSON, or no object.
    """
    try:
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise MalformedError("malformed", f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise MalformedError("malformed", "a JSON object is expected")
    return cast("Json", value)


def _number(text: str) -> float:
    # JSON has one kind of number (RFC 8259 section 6): 1.0 is the whole number 1, as JavaScript and
    # JSON Schema have it.
    value = float(text)
    return int(value) if abs(value) <= MAX_COUNT and value.is_integer() else value


def _refuse_constant(name: str) -> float:
    # RFC 8259 section 6: NaN and Infinity are no JSON, though Python's reader takes them.
    raise ValueError(f"{name} is not a JSON number")


def encode(message: Json) -> str:
    """Return the frame of a message: compact JSON (RFC 8259), with no NaN in it."""
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
