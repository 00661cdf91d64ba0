"""Settings: what may be uploaded."""

from __future__ import annotations

from traitlets import HasTraits

from jupyter_server_ext.config.kinds import amount, count


class Uploads(HasTraits):
    """What may be uploaded."""

    max_upload_size = count(
        2**40,
        """Bytes that one uploaded file may have; more is refused before it is sent.""",
        least=1,
    )

    upload_quota = count(
        2**40,
        """Bytes that all unfinished uploads of one user may have together.""",
        least=1,
    )

    max_uploads_per_user = count(
        128,
        """Uploads that one user may have unfinished at the same time.""",
        least=1,
    )

    upload_expiry = amount(
        24 * 3600.0,
        """Seconds without a byte after which an unfinished upload is removed.""",
        least=0.1,
    )

    upload_idle_timeout = amount(
        30.0,
        """Seconds without a byte after which the request of an upload is ended. What has
        come is kept.""",
        least=0.1,
    )

    write_threads = count(
        8,
        """Threads that write uploads where a disk is waited for; otherwise no more blocks are
        written at a time than there are processors.""",
        least=1,
    )
