"""Our events in the server's event log (jupyter-events): schemas, and what is kept private."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jupyter_server_ext.logs import about

if TYPE_CHECKING:
    from logging import Logger

    from progresswidget.protocol import Json

_SCHEMAS: Final = Path(__file__).parents[1] / "event_schemas"
_NAMES: Final = ("job", "transfer")
PERSONAL: Final = frozenset({"path", "notebook", "name", "user"})
"""Fields that are null for whoever is not asked for: every subscriber gets every event."""


def schema_id(name: str) -> str:
    """Return the id of a schema, by its short name."""
    return f"https://progresswidget.org/events/{name}/v1"


def redacted(schema_id: str, data: Json) -> Json:  # noqa: ARG001 - modifiers are called so
    """Return an event without what tells of persons."""
    return {name: None if name in PERSONAL else value for name, value in data.items()}


class EventLog:
    """Emits our events.

    Parameters
    ----------
    events
        The `EventLogger` of the server.
    redact
        Whether handlers and subscribers get events without what is personal; who asks for events
        as they are (``add_listener(modified=False)``) gets all.
    log
        Where an event is told that nobody could be given.
    """

    def __init__(self, events: Any, *, redact: bool, log: Logger) -> None:
        self._events = events
        self._log = log
        for name in _NAMES:
            events.register_event_schema(_SCHEMAS / name / "v1.yaml")
            if redact:
                events.add_modifier(schema_id=schema_id(name), modifier=redacted)

    def emit(self, name: str, data: Json) -> None:
        """Emit an event; what others make of it harms nobody who is at work here."""
        try:
            self._events.emit(schema_id=schema_id(name), data=data)
        except Exception:  # noqa: BLE001 - modifiers and handlers are other people's
            extra = about("event-refused", data.get("task_id"))
            self._log.exception("An event could not be told", extra=extra)
