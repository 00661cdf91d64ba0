"""AsyncAPI 3.0 of the live channel (https://www.asyncapi.com/docs/reference/specification/v3.0.0).

Its schemas keep to what JSON Schema draft 7 and 2020-12 share, for AsyncAPI reads the former.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from jupyter_server_ext.schemas import VERSION
from jupyter_server_ext.schemas.security import SCHEMES
from progresswidget.protocol import CLOSE_CODES, MAX_FRAME, SUBPROTOCOL
from progresswidget.protocol.catalogue import BROWSER_MESSAGES, SERVER_MESSAGES
from progresswidget.protocol.schema import Writer

if TYPE_CHECKING:
    from progresswidget.protocol import Json
    from progresswidget.protocol.catalogue import Message

_WAYS: Final = ("token", "cookie")
_ABOUT: Final = f"""\
One WebSocket a page (RFC 6455), with the subprotocol {SUBPROTOCOL}: text frames of at most
{MAX_FRAME} bytes, each one message in JSON.

seq belongs to a task and counts its events from 1 on within an epoch. An event is applied if its
epoch is the known one and from is the last seq and one; what is older is left out, and after a gap
the browser subscribes again. A peer that is silent for as long as hello says is disconnected.

Close codes from 4000 to 4499 say: come back later. Those from 4500 to 4999 say: do not.
"""


def document() -> Json:
    """Return the document."""
    schemas = Writer("#/components/schemas/").definitions()
    # The messages of an operation say it already.
    for name in ("ServerMessage", "BrowserMessage"):
        del schemas[name]
    rows = SERVER_MESSAGES | BROWSER_MESSAGES
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "The live channel of progresswidget",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "BSD-3-Clause"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "jupyter": {
                "host": "{host}",
                "pathname": "{base}progresswidget/",
                "protocol": "ws",
                "description": "A Jupyter server; wss where it has a certificate.",
                "variables": {
                    "host": {"default": "localhost:8888"},
                    "base": {"default": "/", "description": "The server's base_url."},
                },
                "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _WAYS],
            }
        },
        "channels": {
            "live": {
                "address": "ws",
                "title": "Changes of jobs and transfers",
                "messages": {
                    name: {"$ref": f"#/components/messages/{name}"} for name in sorted(rows)
                },
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "headers": {
                            "type": "object",
                            "properties": {"Sec-WebSocket-Protocol": {"const": SUBPROTOCOL}},
                            "required": ["Sec-WebSocket-Protocol"],
                        },
                        "bindingVersion": "0.1.0",
                    }
                },
                "x-close-codes": {str(code): text for code, text in sorted(CLOSE_CODES.items())},
            }
        },
        "operations": {
            "hear": _operation("receive", "What browsers say.", BROWSER_MESSAGES),
            "tell": _operation("send", "What the server tells.", SERVER_MESSAGES),
        },
        "components": {
            "messages": {
                name: {
                    "name": row.type,
                    "title": name,
                    "summary": row.about,
                    "payload": {"$ref": f"#/components/schemas/{name}"},
                }
                for name, row in sorted(rows.items())
            },
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {name: SCHEMES[name].to_asyncapi() for name in _WAYS},
        },
    }


def _operation(action: str, about: str, messages: dict[str, Message]) -> Json:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/live"},
        "summary": about,
        "messages": [{"$ref": f"#/channels/live/messages/{name}"} for name in messages],
    }
