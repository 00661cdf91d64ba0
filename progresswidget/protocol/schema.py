"""JSON Schema 2020-12 of everything on the wire, made of the tables that the decoders read.

What a schema cannot say: that two fields agree (``from`` and ``seq``, a snapshot's task and its
envelope's, the name of a part and its file's), how long a frame is, and that a text holds no half
of a surrogate pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from progresswidget.protocol.catalogue import (
    BROWSER_MESSAGES,
    POSITION_FIELDS,
    SERVER_MESSAGES,
    Message,
)
from progresswidget.protocol.fields import NEEDED, Field, Fields
from progresswidget.protocol.files import (
    FINGERPRINT_FIELDS,
    PART_FIELDS,
    PLACE_FIELDS,
    PROBE_FIELDS,
)
from progresswidget.protocol.limits import MAX_COUNT
from progresswidget.protocol.reports import (
    ERROR_FIELDS,
    ORDER_FIELDS,
    RECORD_FIELDS,
    REPORT,
    STEP_FIELDS,
    TASK_ID_FIELD,
)
from progresswidget.protocol.transfers import TRANSFER_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from progresswidget.protocol.words import Json

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

# Tables that are referred to by name wherever they are used.
TABLES: Final[dict[str, Fields]] = {
    "Record": RECORD_FIELDS,
    "Transfer": TRANSFER_FIELDS,
    "Order": ORDER_FIELDS,
    "Place": PLACE_FIELDS,
    "Problem": ERROR_FIELDS,
    "Step": STEP_FIELDS,
    "Fingerprint": FINGERPRINT_FIELDS,
    "Part": PART_FIELDS,
    "Probe": PROBE_FIELDS,
    "Position": POSITION_FIELDS,
}


class Writer:
    """Writes tables as schemas.

    Parameters
    ----------
    refer
        What stands before the name of a definition in a reference.
    tables
        The tables that have one, besides `TABLES`.
    """

    def __init__(self, refer: str, tables: Mapping[str, Fields] | None = None) -> None:
        self._refer = refer
        self._tables = {**TABLES, **(tables or {})}

    def definitions(self) -> Json:
        """Return every definition by its name: tables, the report, and messages."""
        found = {name: self.of(fields) for name, fields in self._tables.items()}
        found["Report"] = self._report()
        for name, message in (SERVER_MESSAGES | BROWSER_MESSAGES).items():
            found[name] = self.message(message)
        found["ServerMessage"] = self._any_server_message()
        found["BrowserMessage"] = {"oneOf": [self.ref(name) for name in BROWSER_MESSAGES]}
        return found

    def ref(self, name: str) -> Json:
        """Return a reference to a definition."""
        return {"$ref": f"{self._refer}{name}"}

    def of(self, fields: Fields) -> Json:
        """Return the schema of an object; fields that nobody knows are allowed in it."""
        schema: Json = {
            "type": "object",
            "properties": {name: self.field(field) for name, field in fields.items()},
        }
        needed = [name for name, field in fields.items() if field.missing is NEEDED]
        return schema | ({"required": needed} if needed else {})

    def message(self, message: Message) -> Json:
        """Return the schema of one form of a message."""
        schema = self.of(message.envelope)
        schema["properties"] = {"type": {"const": message.type}} | schema["properties"]
        schema["required"] = ["type", *schema.get("required", ())]
        if message.data is not None:
            schema["properties"]["data"] = self._named(message.data)
            schema["required"].append("data")
        return {"description": message.about} | schema

    def field(self, field: Field) -> Json:
        """Return the schema of one field."""
        schema = self._unsaid(field)
        if field.missing is not NEEDED and field.missing is not None:
            schema["default"] = field.missing
        return {"description": field.about} | schema

    def _unsaid(self, field: Field) -> Json:
        if field.kind == "object":
            inner = self._named(field.fields or {})
            return {"anyOf": [inner, {"type": "null"}]} if field.nullable else inner
        if field.kind == "list":
            return self._list(field)
        name = {"text": "string", "flag": "boolean", "count": "integer", "number": "number"}
        kind = name[field.kind]
        schema: Json = {"type": [kind, "null"] if field.nullable else kind}
        if field.words:
            schema["enum"] = [*sorted(field.words), *([None] if field.nullable else [])]
        elif field.kind == "text":
            if field.most < MAX_COUNT:
                schema["maxLength"] = field.most
            if field.pattern:
                schema["pattern"] = f"^(?:{field.pattern})$"
        elif field.kind == "flag":
            if field.only is not None:
                schema["const"] = field.only
        else:
            schema |= {"minimum": field.least, "maximum": field.most}
        return schema

    def _list(self, field: Field) -> Json:
        if field.item is not None:
            items = self.field(field.item)
        else:
            items = {"anyOf": [self.ref(name) for name in field.refers]}
        schema: Json = {"type": "array", "items": items}
        if field.least:
            schema["minItems"] = field.least
        schema |= {"maxItems": field.most} if field.most < MAX_COUNT else {}
        return {"anyOf": [schema, {"type": "null"}]} if field.nullable else schema

    def _named(self, fields: Fields) -> Json:
        for name, table in self._tables.items():
            if table is fields:
                return self.ref(name)
        return self.of(fields)

    def _report(self) -> Json:
        schema = self.of(REPORT)
        schema["properties"] = {"taskId": self.field(TASK_ID_FIELD)} | schema["properties"]
        done = {"properties": {"status": {"const": "done"}}}
        proved = {
            "properties": {"sha256": {"type": "string"}, "fingerprint": {"type": "object"}},
            "required": ["sha256", "fingerprint"],
        }
        return schema | {"if": done, "then": proved}

    def _any_server_message(self) -> Json:
        known = sorted({message.type for message in SERVER_MESSAGES.values()})
        later: Json = {
            "description": "A type of a later version, which a reader ignores.",
            "type": "object",
            "properties": {"type": {"type": "string", "not": {"enum": known}}},
            "required": ["type"],
        }
        return {"anyOf": [*(self.ref(name) for name in SERVER_MESSAGES), later]}


def document() -> Json:
    """Return one schema with every definition, below ``$defs``."""
    return {
        "$schema": DIALECT,
        "$id": "urn:progresswidget:wire:v1",
        "title": "What kernels, servers and browsers of progresswidget say to each other",
        "$defs": Writer("#/$defs/").definitions(),
    }
