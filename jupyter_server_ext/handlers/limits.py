"""``api/limits``: how fast files may leave, now."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.base import Handler
from jupyter_server_ext.http.access import AUTH_RESOURCE
from jupyter_server_ext.logs import about
from jupyter_server_ext.transfers.shaping import LEAST_BURST
from progresswidget.protocol import MAX_COUNT

if TYPE_CHECKING:
    from jupyter_server_ext.transfers.shaping import Rates

_LEAST: Final = {"transfer": 0.0, "user": 0.0, "server": 0.0, "burst": LEAST_BURST}
_MOST_BURST: Final = 60.0


class LimitsHandler(Handler):
    """The limits of all transfers.

    They are a resource of their own: by default whoever may sign in may set them, and has a
    kernel and with it the whole server too; where an authorizer tells users apart, it can leave
    ``write`` on ``progresswidget-limits`` to those who run the server.
    """

    auth_resource: ClassVar[str] = f"{AUTH_RESOURCE}-limits"
    max_body: ClassVar[int] = 4096

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return the limits: bytes a second, 0 for none, and the burst in seconds."""
        self._finish()

    @web.authenticated
    @authorized
    async def put(self) -> None:
        """Set those that are given; running transfers keep to them from now on."""
        shaper = self.services.shaper
        shaper.rates = replace(shaper.rates, **_decode(self.body))
        extra = about("limits-changed")
        self.log.info("The limits of transfers are now %s", shaper.rates, extra=extra)
        self._finish()

    def _finish(self) -> None:
        rates: Rates = self.services.shaper.rates
        self.finish(json.dumps(asdict(rates)))


def _decode(body: bytes) -> dict[str, float]:
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or not value or not set(value) <= set(_LEAST):
        names = ", ".join(_LEAST)
        raise ApiError("malformed", f"The body must be an object with some of {names}.")
    for name, number in value.items():
        most = _MOST_BURST if name == "burst" else MAX_COUNT
        if isinstance(number, bool) or not isinstance(number, (int, float)):
            raise ApiError("malformed", f"{name} must be a number.")
        if not _LEAST[name] <= number <= most:  # nor is NaN
            raise ApiError("malformed", f"{name} must be from {_LEAST[name]:g} to {most:g}.")
    return {name: float(number) for name, number in value.items()}
