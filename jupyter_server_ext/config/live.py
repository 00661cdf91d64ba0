"""Settings: what pages are told, and how often."""

from __future__ import annotations

from traitlets import HasTraits

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
        """Seconds between two signs of life on a WebSocket. A peer that is silent for twice
        as long is disconnected.""",
        least=0.1,
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
