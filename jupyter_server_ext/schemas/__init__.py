"""The published documents: OpenAPI of the addresses, AsyncAPI of the live channel, and the wire.

They are made of the tables that the code works by, and lie beside this file as they were made last;
a test compares. ``python -m jupyter_server_ext.schemas`` makes them anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION: Final = "1.0.0"
"""Of the contract, not of the package: the first number changes with the subprotocol."""
NAMES: Final = ("asyncapi", "openapi", "wire")


def path_of(name: str) -> Path:
    """Return where a document lies; `name` is one of `NAMES`."""
    return Path(__file__).with_name(f"{name}.json")


def make(name: str) -> str:
    """Return the text of a document, made anew."""
    from jupyter_server_ext.schemas import asyncapi, openapi
    from progresswidget.protocol import schema

    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "asyncapi": asyncapi.document,
        "openapi": openapi.document,
        "wire": schema.document,
    }
    return json.dumps(makers[name](), indent=1, ensure_ascii=False) + "\n"
