"""Who somebody says to be: two users of one server, for the benchmark of shaping."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jupyter_server.auth.identity import IdentityProvider, User

if TYPE_CHECKING:
    from tornado.web import RequestHandler


class Users(IdentityProvider):
    """Believes whoever has the token."""

    async def get_user(self, handler: RequestHandler) -> User | None:
        """Return the user whom the request names."""
        if await self.get_user_token(handler) is None:
            return None
        handler._token_authenticated = True  # type: ignore[attr-defined]
        name = handler.request.headers.get("X-User", "alice")
        return User(username=name, name=name)
