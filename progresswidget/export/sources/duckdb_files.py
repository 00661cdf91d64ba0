"""Which files of this computer a relation of DuckDB reads.

Its plans do not name them, so they are looked for in the syntax tree of its query and of the views
that this names: the texts that are given to a function that reads files, and tables that are called
after one. What comes through a parameter, a macro or another relation in a variable is not found.
"""

from __future__ import annotations

import glob
import json
import os
import re
import sys
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_READER: Final = re.compile(r"read_|.*_scan$")
_AS: Final = re.compile(r"\bAS\s", re.IGNORECASE)


def files_of(relation: Any) -> list[str]:
    """Return the files that a relation reads, as far as DuckDB tells them."""
    try:
        query = relation.sql_query()
        with sys.modules["duckdb"].connect() as parser:
            looking = _Looking(relation, parser)
            looking.look(looking.tree(query))
    except Exception:  # noqa: BLE001 - what tells of files must not end the reading of them
        return []
    return sorted(looking.found)


class _Looking:
    """Goes through queries and views.

    Parameters
    ----------
    relation
        Of the connection that knows the views.
    parser
        A connection of our own, where nothing is executed but the parser.

    Attributes
    ----------
    found
        The files.
    """

    def __init__(self, relation: Any, parser: Any) -> None:
        self.found: set[str] = set()
        self._relation, self._parser = relation, parser
        self._views: list[tuple[str, str]] | None = None
        self._seen: set[str] = set()

    def tree(self, query: str) -> dict[str, Any]:
        """Return the syntax tree of a query, or what says that it is none."""
        (text,) = self._parser.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
        parsed: dict[str, Any] = json.loads(text)
        return parsed

    def look(self, tree: dict[str, Any]) -> None:
        """Find the files of a query."""
        for node in _nodes(tree):
            if node.get("type") == "TABLE_FUNCTION":
                function = node["function"]
                if _READER.match(function["function_name"]):
                    for text in _texts(function):
                        self._add(text)
            elif node.get("type") == "BASE_TABLE" and not self._add(node["table_name"]):
                self._look_at_views(node["table_name"])

    def _add(self, pattern: str) -> bool:
        path = os.path.expanduser(pattern.removeprefix("file://"))  # noqa: PTH111 - may be a pattern
        there = [path] if os.path.isfile(path) else glob.glob(path, recursive=True)  # noqa: PTH113, PTH207
        self.found.update(there)
        return bool(there)

    def _look_at_views(self, name: str) -> None:
        if name in self._seen:
            return
        self._seen.add(name)
        if self._views is None:
            known = "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal"
            self._views = self._relation.query("progresswidget_views", known).fetchall()
        for view, definition in self._views:
            if view == name:
                self.look(self._definition(definition))

    def _definition(self, statement: str) -> dict[str, Any]:
        """Return the tree of the query in a ``CREATE VIEW``, whose name may hold an AS, too."""
        for start in _AS.finditer(statement):
            tree = self.tree(statement[start.end() :].rstrip("; \n"))
            if not tree["error"]:
                return tree
        return {}


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        at = waiting.pop()
        if isinstance(at, dict):
            yield at
            waiting += at.values()
        elif isinstance(at, list):
            waiting += at


def _texts(tree: Any) -> Iterator[str]:
    for node in _nodes(tree):
        for key in ("text", "value"):  # the second until DuckDB 1
            if isinstance(node.get(key), str):
                yield node[key]
