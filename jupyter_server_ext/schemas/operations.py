"""What an operation of the REST side is: the rows of which OpenAPI is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from progresswidget.protocol import Json
    from progresswidget.protocol.fields import Field, Fields

JSON: Final = "application/json"
FILE: Final = "*/*"

Schema: TypeAlias = "str | Field | Json"
"""The name of a definition, a field, or a schema as it is."""


@dataclass(frozen=True, slots=True)
class Body:
    """The body of a request or of an answer."""

    schema: Schema
    media_type: str = JSON
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no error; `headers` are keys of the table of fields of answers."""

    about: str
    body: Body | None = None
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method does at one address.

    Parameters
    ----------
    name
        Its own name, for programs that are made of the document.
    about
        What it does, in a sentence.
    whom
        ``user``, ``kernel``, ``both``, ``anyone``, or ``reporter`` and ``counter``: a kernel, or
        who has the capability of the job for it.
    answers
        What it answers where it does what was asked, by status.
    errors
        The codes of `errors.TABLE` that are its own, besides those that all have.
    takes
        The names of its parameters that are not part of the address.
    body
        What it reads.
    """

    name: str
    about: str
    answers: Mapping[int, Answer]
    errors: tuple[str, ...] = ()
    whom: str = "user"
    takes: tuple[str, ...] = ()
    body: Body | None = None


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a request: part of the address, of the query, or a field of its header."""

    place: str
    field: Field
    repeated: bool = False


Methods: TypeAlias = dict[str, Operation]
Paths: TypeAlias = dict[str, Methods]
"""By the address, and by the method in small letters."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """The operations of one noun, and the tables that only they use."""

    paths: Paths
    tables: Mapping[str, Fields] = field(default_factory=dict)


def one_of(*names: str) -> Json:
    """Return the schema of what is one of several definitions."""
    return {"oneOf": [{"$ref": f"#/components/schemas/{name}"} for name in names]}


def list_of(name: str) -> Json:
    """Return the schema of a list of one definition."""
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}
