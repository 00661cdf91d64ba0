"""``api/transfers``: how far the user's files are, on their way here or from here."""

from __future__ import annotations

import json

from jupyter_server.auth.decorator import authorized
from tornado import web

from jupyter_server_ext.errors import ApiError
from jupyter_server_ext.handlers.base import Handler


class TransfersHandler(Handler):
    """All of them."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """Return what is known of the user's own transfers, the newest first, as a JSON array."""
        found = self.services.transfers.find(self.user_id)
        self.finish(json.dumps([record for record in found if await self.may_hear(record)]))


class TransferHandler(Handler):
    """One of them."""

    @web.authenticated
    @authorized
    async def get(self, file_id: str) -> None:
        """Return how far one file is: where a client goes on that has lost its place."""
        record = self.services.transfers.get(self.user_id, file_id)
        if record is None or not await self.may_hear(record):
            raise ApiError("transfer-not-found", "No byte of this file is known to have moved.")
        self.finish(json.dumps(record))
