"""Settings: where the state is kept, alone or with other servers."""

from __future__ import annotations

from urllib.parse import urlsplit

from traitlets import Bool, Enum, HasTraits, TraitError, validate

from jupyter_server_ext.config.kinds import amount, count, text
from jupyter_server_ext.stores.redis import SCHEMES, SENTINELS


class State(HasTraits):
    """Where the state is kept, alone or with other servers."""

    store = Enum(
        ["sqlite", "memory"],
        default_value="sqlite",
        help="""Where jobs, transfers, links and uploads are kept: "sqlite" in files below the
        Jupyter runtime directory, or "memory", which forgets them when the server ends. An upload
        then begins again, and the bytes that had come of it are removed after
        `keep_leftovers_days`.""",
    ).tag(config=True)

    store_url = text(
        """Redis that several servers behind one address share: "redis://host:6379/0",
        "rediss://…?ssl_ca_certs=/path" with TLS or "unix:///path", and a password as in
        "redis://:password@host". Neither Sentinel nor Cluster. They show the same jobs, links and
        transfers, whichever of them one reaches. Empty is a server of its own. It needs
        progresswidget[redis].""",
    )

    store_namespace = text(
        """Name of the servers that share their state in Redis. Empty means all that have the
        same root folder and base URL; set it where unrelated servers use one Redis.""",
    )

    server_lease = amount(
        10.0,
        """Seconds without a sign of life after which the other servers on one Redis take a
        server for dead: jobs that only it has heard of then become "interrupted".""",
        least=0.3,
    )

    idempotency_expiry = amount(
        86_400.0,
        """Seconds for which an Idempotency-Key is known: the same request with it makes
        nothing new.""",
        least=1.0,
    )

    max_idempotency_keys = count(
        10_000,
        """Keys of requests that are known at most; beyond it the oldest is forgotten. Redis
        forgets them by their age alone.""",
        least=1,
    )

    redact_events = Bool(
        default_value=True,
        help="""Whether the events of jobs and transfers come without paths, names, notebooks and
        users. Whoever may subscribe to a server's events gets those of all its users.""",
    ).tag(config=True)

    @validate("store_url")
    def _is_redis(self, proposal: dict[str, str]) -> str:
        # The value is not repeated: it may hold a password.
        parts = urlsplit(proposal["value"])
        if parts.scheme in SENTINELS:
            message = "store_url is the address of a Redis, or of a proxy that follows its Sentinel"
            raise TraitError(message)
        if proposal["value"] and parts.scheme not in SCHEMES:
            raise TraitError(f"store_url must begin with {', '.join(sorted(SCHEMES))} and ://")
        try:
            parts.port  # noqa: B018 - what is no number is a piece of a password
        except ValueError:
            message = "the port of store_url is no number: a # or / in a password must be quoted"
            raise TraitError(message) from None
        return proposal["value"]
