"""OpenAPI 3.1 of every address (https://spec.openapis.org/oas/v3.1.1.html), made of the tables."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from jupyter_server_ext.errors import TABLE
from jupyter_server_ext.schemas import VERSION
from jupyter_server_ext.schemas.conversions import CONVERSIONS
from jupyter_server_ext.schemas.files import FILES
from jupyter_server_ext.schemas.jobs import JOBS
from jupyter_server_ext.schemas.links import LINKS
from jupyter_server_ext.schemas.operations import JSON, Body, Operation, Parameter
from jupyter_server_ext.schemas.parameters import ANSWERED, NEEDED_PARAMETERS, PARAMETERS
from jupyter_server_ext.schemas.security import SCHEMES, WAYS
from progresswidget.protocol.fields import Field
from progresswidget.protocol.schema import DIALECT, Writer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from progresswidget.protocol import Json

_ABOUT: Final = """\
Everything below progresswidget/ on a Jupyter server. An error is JSON with a code for programs, a
message and a hint. What changes live is told over the WebSocket, see asyncapi.json.

A request that makes something may carry an Idempotency-Key: sent again with the same key it makes
nothing new and gets what was made, as it is now, with the same status; with another body it is
refused with 422, while the first is still being done with 409, and after what was made has been
removed with 410. Keys belong to a user, and are forgotten after c.ProgressExtension.
idempotency_expiry seconds. A request that was refused leaves its key free. A report (PUT) needs
none: the reporter makes the id of its job, and revision says which report is newer.
"""
# What any request may meet before its handler runs.
_ALWAYS: Final = (
    "forbidden",
    "origin-forbidden",
    "method-not-allowed",
    "too-large",
    "starting",
    "internal",
)
_CHAPTERS: Final = (JOBS, CONVERSIONS, LINKS, FILES)
_CHECKSUM: Final = 460
"""The status of tus for a wrong checksum, which has no phrase in HTTP."""
_TOLD_WITH: Final[dict[int, tuple[str, ...]]] = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    405: ("Allow",),
    409: ("Upload-Offset",),
    412: ("Tus-Version",),
    416: ("Content-Range",),
    429: ("Retry-After",),
    503: ("Retry-After",),
}
_BY_WHOM: Final = {
    "user": (),
    "kernel": ("kernel-secret-required", "kernel-secret-wrong"),
    "reporter": ("kernel-secret-required", "kernel-secret-wrong", "capability-wrong"),
    "counter": ("kernel-secret-required", "kernel-secret-wrong", "capability-wrong"),
    "both": ("kernel-secret-required", "kernel-secret-wrong"),
    "anyone": (),
}


class Book:
    """Writes the document."""

    def __init__(self) -> None:
        tables = {name: table for chapter in _CHAPTERS for name, table in chapter.tables.items()}
        self._writer = Writer("#/components/schemas/", tables)

    def document(self) -> Json:
        """Return the document."""
        schemas = self._writer.definitions()
        paths = {address: row for chapter in _CHAPTERS for address, row in chapter.paths.items()}
        return {
            "openapi": "3.1.0",
            "jsonSchemaDialect": DIALECT,
            "info": {
                "title": "progresswidget",
                "version": VERSION,
                "description": _ABOUT,
                "license": {"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
            },
            # Relative to where this document is served: the server's own base URL stays out.
            "servers": [{"url": ".."}],
            "paths": {address: self._path(address, methods) for address, methods in paths.items()},
            "components": {
                "schemas": schemas,
                "parameters": {
                    name: self._parameter(name, row) for name, row in PARAMETERS.items()
                },
                "headers": {
                    name: {"description": about, "schema": {"type": "string"}}
                    for name, about in ANSWERED.items()
                },
                "securitySchemes": {name: one.to_openapi() for name, one in SCHEMES.items()},
            },
        }

    def _path(self, address: str, methods: dict[str, Operation]) -> Json:
        named = re.findall(r"\{(\w+)\}", address)
        found: Json = {"parameters": _refs(named)} if named else {}
        tag = address.strip("/").removeprefix("api/").partition("/")[0].partition(".")[0]
        return found | {
            method: self._operation(operation, tag, method) for method, operation in methods.items()
        }

    def _operation(self, row: Operation, tag: str, method: str) -> Json:
        found: Json = {"operationId": row.name, "summary": row.about, "tags": [tag]}
        if row.takes:
            found["parameters"] = _refs(row.takes)
        if row.body is not None:
            found["requestBody"] = {"required": row.body.needed, "content": self._content(row.body)}
        found["responses"] = self._answers(row) | self._errors(row, with_body=method != "head")
        found["security"] = WAYS[row.whom]
        return found

    def _answers(self, row: Operation) -> Json:
        found: Json = {}
        for status, answer in row.answers.items():
            one: Json = {"description": answer.about}
            if answer.headers:
                one["headers"] = _headers(answer.headers)
            if answer.body is not None:
                one["content"] = self._content(answer.body)
            found[str(status)] = one
        return found

    def _errors(self, row: Operation, *, with_body: bool) -> Json:
        by_status: dict[int, list[str]] = {}
        for code in sorted({*_ALWAYS, *_BY_WHOM[row.whom], *row.errors}):
            by_status.setdefault(TABLE[code][0], []).append(code)
        return {
            str(status): self._error(status, codes, with_body=with_body)
            for status, codes in sorted(by_status.items())
        }

    def _error(self, status: int, codes: list[str], *, with_body: bool) -> Json:
        lines = "\n".join(f"- `{code}`: {TABLE[code][1]}" for code in codes)
        phrase = HTTPStatus(status).phrase if status != _CHECKSUM else "Checksum Mismatch"
        found: Json = {"description": f"{phrase}\n\n{lines}"}
        if status in _TOLD_WITH:
            found["headers"] = _headers(_TOLD_WITH[status])
        if with_body:
            known = {"properties": {"code": {"enum": codes}}}
            found["content"] = {JSON: {"schema": {"allOf": [self._writer.ref("Problem"), known]}}}
        return found

    def _content(self, body: Body) -> Json:
        return {body.media_type: {"schema": self._schema(body)}}

    def _schema(self, body: Body) -> Json:
        if isinstance(body.schema, str):
            return self._writer.ref(body.schema)
        return self._writer.field(body.schema) if isinstance(body.schema, Field) else body.schema

    def _parameter(self, name: str, row: Parameter) -> Json:
        schema = self._writer.field(row.field)
        found: Json = {
            "name": "name" if name == "picked" else name,
            "in": row.place,
            "description": schema.pop("description"),
            "schema": schema,
        }
        if row.repeated:
            found |= {"schema": {"type": "array", "items": schema}, "explode": True}
        if row.place == "path" or name in NEEDED_PARAMETERS:
            found["required"] = True
        return found


def _refs(names: Iterable[str]) -> list[Json]:
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def _headers(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def document() -> Json:
    """Return the document."""
    return Book().document()
