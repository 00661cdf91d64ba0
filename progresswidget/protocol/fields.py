"""What a value on the wire may be, and what it means: one row a field.

The decoders check by these rows, and the schemas that are published are made of them
(`progresswidget.protocol.schema`): what is written here is written once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from progresswidget.protocol.decoding import MalformedError
from progresswidget.protocol.limits import MAX_COUNT

if TYPE_CHECKING:
    from progresswidget.protocol.words import Json

Kind: TypeAlias = Literal["text", "count", "number", "flag", "object", "list"]


class _Needed:
    """The mark of a field that may not be missing."""

    def __repr__(self) -> str:
        return "NEEDED"


NEEDED: Final = _Needed()


@dataclass(frozen=True, slots=True)
class Field:
    """One field.

    Parameters
    ----------
    kind
        ``count`` is a whole number, ``number`` any that is finite; neither is below `least`.
    about
        What it says, with its unit.
    most
        The largest length of a text in characters or of a list, or the largest value.
    nullable
        Whether it may be null.
    missing
        What it is where it is missing; `NEEDED` where it must be there.
    words
        The texts that are known, if only they are.
    pattern
        What the whole of a text follows; in the words that Python and ECMA-262 share.
    only
        The one value that a flag has.
    fields
        What an object holds at least.
    item
        What a list holds.
    refers
        The names of the messages of which an object, or each entry of a list, is one.
    """

    kind: Kind
    about: str
    most: float = MAX_COUNT
    least: float = 0
    nullable: bool = False
    missing: object = NEEDED
    words: frozenset[str] = frozenset()
    pattern: str = ""
    only: bool | None = None
    fields: Fields | None = None
    item: Field | None = None
    refers: tuple[str, ...] = ()

    def read(self, name: str, value: object) -> Any:
        """Return a value that fits, with only the fields that this version knows.

        Parameters
        ----------
        name
            How the field is called in a refusal.

        Raises
        ------
        MalformedError
            If it does not fit.
        """
        if value is NEEDED:
            raise MalformedError("malformed", f"{name} is missing")
        if value is None:
            if not self.nullable:
                raise MalformedError("malformed", f"{name} must not be null")
            return None
        if self.kind == "object":
            return read(self.fields or {}, value, name)
        if self.kind == "list" and self.item is not None:
            if not isinstance(value, list) or len(value) > self.most:
                raise MalformedError("malformed", f"{name} must be {self.rule}")
            return [self.item.read(f"{name}[{at}]", each) for at, each in enumerate(value)]
        if not self._fits(value):
            raise MalformedError("malformed", f"{name} must be {self.rule}")
        return value

    @property
    def rule(self) -> str:
        """What a refusal says that is expected."""
        if self.words:
            return f"one of {', '.join(sorted(self.words))}"
        if self.pattern:
            return f"a text of at most {self.most:g} characters like {self.pattern}"
        return f"a {self.kind} of at most {self.most:g}"

    def _fits(self, value: object) -> bool:
        if self.kind == "flag":
            return isinstance(value, bool) and self.only in {None, value}
        if self.kind == "text":
            return isinstance(value, str) and len(value) <= self.most and self._says(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        whole = self.kind != "count" or isinstance(value, int)
        # Neither NaN nor infinity lies between two numbers.
        return whole and self.least <= value <= self.most

    def _says(self, text: str) -> bool:
        if self.words:
            return text in self.words
        if self.pattern and _compiled(self.pattern).fullmatch(text) is None:
            return False
        try:
            # A lone surrogate survives json.loads but can never be sent on as UTF-8 (RFC 8259
            # section 8.2).
            text.encode()
        except UnicodeEncodeError:
            return False
        return True


Fields: TypeAlias = Mapping[str, Field]


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)


def read(fields: Fields, value: object, where: str = "") -> Json:
    """Return what a table knows of an object.

    Parameters
    ----------
    where
        How the object is called in a refusal; the outermost has no name.

    Raises
    ------
    MalformedError
        If a field is missing or does not fit its row.
    """
    if not isinstance(value, dict):
        raise MalformedError("malformed", f"{where} must be an object")
    prefix = f"{where}." if where else ""
    return {
        name: field.read(prefix + name, value.get(name, field.missing))
        for name, field in fields.items()
    }
