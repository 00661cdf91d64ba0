"""Settings: what pages are told, and how often."""

from __future__ import annotations

from typing import Any

from traitlets import HasTraits, TraitError, validate

from jupyter_server_ext.config.kinds import amount, count


class Live(HasTraits):
    """What pages are told, and how often."""

    push_interval = amount(
        0.5,
        """Seconds between two pushes of one job's progress to a page, and between two
        batches written to the database. Changes of state are pushed at once.""",
        least=0.01,
    )

    heartbeat = amount(
        30.0,
        """Seconds of silence on a WebSocket after which a sign of life is asked for, by the
        server and by pages.""",
        least=0.1,
    )

    heartbeat_timeout = amount(
        0.0,
        """Seconds of silence on a WebSocket after which the peer is taken for gone, by the
        server and by pages; 0 is twice `heartbeat`.""",
    )

    slow_timeout = amount(
        30.0,
        """Seconds for which a page may take nothing of what it is to be told before it is
        disconnected. Until then it costs a bounded memory, and is told the newest afterwards.""",
        least=0.1,
    )

    access_recheck = amount(
        30.0,
        """Seconds after which a connected page is asked anew who it is and what it may see:
        a login that has ended closes its WebSocket.""",
        least=0.1,
    )

    max_connections_per_user = count(
        64,
        """WebSockets that one user may have open. A page needs one.""",
        least=1,
    )

    poll_wait = amount(
        25.0,
        """Seconds for which a question waits for news of jobs at most, of a page whose
        network lets no WebSocket through. Proxies cut what is silent, often after 60 seconds.""",
    )

    max_polls_per_user = count(
        128,
        """Such questions of one user that may wait at the same time. A page has two.""",
        least=1,
    )

    @validate("heartbeat", "heartbeat_timeout")
    def _leaves_time_to_answer(self, proposal: dict[str, Any]) -> float:
        value: float = proposal["value"]
        if 0 < self.heartbeat_timeout <= self.heartbeat:
            raise TraitError("heartbeat_timeout must be more than heartbeat, or 0")
        return value
