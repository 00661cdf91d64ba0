"""Who may come in, and how: the security schemes of both documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from progresswidget.protocol import AUTHORIZATION_SCHEME, JOB_SCHEME

if TYPE_CHECKING:
    from progresswidget.protocol import Json


@dataclass(frozen=True, slots=True)
class Scheme:
    """One credential: a field of the request, or a cookie."""

    about: str
    place: str
    name: str

    def to_openapi(self) -> Json:
        """Return it as a Security Scheme Object of OpenAPI 3.1."""
        return {"type": "apiKey", "in": self.place, "name": self.name, "description": self.about}

    def to_asyncapi(self) -> Json:
        """Return it as a Security Scheme Object of AsyncAPI 3.0."""
        return self.to_openapi() | {"type": "httpApiKey"}


SCHEMES: Final[dict[str, Scheme]] = {
    "token": Scheme(
        "`token <the server's token>`. Never in the address: addresses are logged.",
        "header",
        "Authorization",
    ),
    "cookie": Scheme(
        "The cookie of a signed-in browser; its name ends with the server's port.",
        "cookie",
        "username-localhost-8888",
    ),
    "xsrf": Scheme(
        "The value of the cookie `_xsrf`, which a page of another origin cannot read.",
        "header",
        "X-XSRFToken",
    ),
    "kernel": Scheme(
        f"`{AUTHORIZATION_SCHEME} <secret>`, with the secret of the server's endpoint file.",
        "header",
        "Authorization",
    ),
    "reporter": Scheme(
        f"`{JOB_SCHEME} <capability>`, with the capability that the order was answered with.",
        "header",
        "Authorization",
    ),
    "counter": Scheme(
        f"`{JOB_SCHEME} <capability>`, with the capability that `letCount` has answered with.",
        "header",
        "Authorization",
    ),
}

# Who an operation is for -> any of these sets of credentials lets one in.
WAYS: Final[dict[str, list[Json]]] = {
    "user": [{"token": []}, {"cookie": [], "xsrf": []}],
    "kernel": [{"kernel": []}],
    "reporter": [{"kernel": []}, {"reporter": []}],
    "counter": [{"kernel": []}, {"counter": []}],
    "both": [{"token": []}, {"cookie": [], "xsrf": []}, {"kernel": []}],
    "anyone": [],
}
