"""Settings: what may be downloaded and linked, and how fast."""

from __future__ import annotations

from traitlets import HasTraits

from jupyter_server_ext.config.kinds import amount, count, folders
from jupyter_server_ext.transfers.shaping import LEAST_BURST


class Downloads(HasTraits):
    """What may be downloaded and linked, and how fast."""

    roots = folders(
        """Folders below which exported files may be downloaded, besides the server's root
        folder.""",
    )

    stall_timeout = amount(
        60.0,
        """Seconds after which a download is cut whose client takes no bytes.""",
        least=0.1,
    )

    follow_patience = amount(
        3600.0,
        """Seconds that a download which follows a running export waits for news of it, for
        instance while it is paused, before it is cut.""",
        least=0.1,
    )

    read_threads = count(
        8,
        """Threads that read files for downloads; each reads one block at a time for whichever
        download waits.""",
        least=1,
    )

    max_archive_entries = count(
        100_000,
        """Files and folders that one archive may hold: they are listed before the first byte
        leaves.""",
        least=1,
    )

    max_link_seconds = amount(
        86_400.0,
        """Seconds for which a signed link to an exported file may be open at most; 0 forbids
        such links.""",
    )

    max_links = count(
        1_000,
        """Signed links that may be open at the same time.""",
    )

    keep_transfers = count(
        1_000,
        """Transfers of which it is remembered how far they are, for as many days as finished
        jobs are.""",
    )

    transfer_rate = amount(
        0.0,
        """Bytes per second that one download may take; 0 is no limit. This and the other
        rates may be changed while the server runs.""",
    )

    user_rate = amount(
        0.0,
        """Bytes per second that all downloads of one user may take together; 0 is no limit.
        They share it equally.""",
    )

    server_rate = amount(
        0.0,
        """Bytes per second that all downloads of this server may take together; 0 is no
        limit. The users share it equally, and each user's downloads their part of it.""",
    )

    rate_burst = amount(
        0.25,
        """Seconds of each rate that may be made up for at once after nothing has moved for a
        while.""",
        least=LEAST_BURST,
    )

    max_awake = amount(
        43_200.0,
        """Seconds for which one download or upload counts as a use of the server, so that a
        hub does not end it in the middle.""",
    )

    head_timeout = amount(
        120.0,
        """Seconds within which the head of a request must have come, on every connection of
        the server, also after the request before; 0 leaves it as it is, which is an hour.""",
    )
