"""Where a database is: its address or path, and what of it must not be shown."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

Database: TypeAlias = Literal["postgresql", "sqlite", "duckdb", "sqlalchemy"]

_FILES: Final[dict[str, Database]] = {
    ".db": "sqlite",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".duckdb": "duckdb",
    ".ddb": "duckdb",
}
# A password may hold a raw @, so it ends at the last one of the word.
_USER: Final = re.compile(r"(://[^/?#\s:@]*):[^\s'\"]*@")
_FIELD: Final = re.compile(r"(?i)\b(\w*(?:password|passwd|pwd|secret|token))(\s*=\s*)[^&;\s'\"]+")
_LEAST: Final = 3
"""Characters from which on a password is searched for in any text: shorter ones are in words."""


def redact(text: str) -> str:
    """Return a text in which no URI and no DSN shows a password."""
    return _FIELD.sub(r"\1\2***", _USER.sub(r"\1:***@", text))


@dataclass(frozen=True, slots=True)
class URI:
    """An address of a database.

    Parameters
    ----------
    kind
        What opens it, or None if it names no database.
    path
        The file, for SQLite and DuckDB.
    secrets
        What must not be shown.
    """

    kind: Database | None
    path: str
    secrets: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> URI:
        """Return what an address says."""
        scheme, there, rest = text.partition("://")
        if not there:
            return cls(_FILES.get(PurePath(text).suffix.lower()), text)
        if scheme in {"postgresql", "postgres"}:
            return cls("postgresql", "", _secrets(text))
        if scheme == "sqlite":
            return cls("sqlite", rest.removeprefix("/"))
        if scheme == "duckdb":
            return cls("duckdb", rest.removeprefix("/") or ":memory:")
        return cls("sqlalchemy", "", _secrets(text))


def _secrets(text: str) -> tuple[str, ...]:
    found = set()
    authority = re.search(r"://[^/?#\s:@]*:([^\s]*)@", text)
    if authority:
        found.add(authority[1])
    fields = (
        parse_qsl(urlsplit(text).query) if authority is None else parse_qsl(text.rpartition("?")[2])
    )
    found.update(value for name, value in fields if _FIELD.match(f"{name}=x"))
    every = found | {unquote(each) for each in found}
    return tuple(sorted((each for each in every if len(each) >= _LEAST), key=len, reverse=True))
