"""Settings: what processes that convert files may do."""

from __future__ import annotations

from traitlets import HasTraits

from jupyter_server_ext.config.kinds import amount, count, text


class Conversions(HasTraits):
    """What processes that convert files may do."""

    conversion_workers = count(
        2,
        """Files that are converted to another format at the same time ("Export As…" in the
        file browser), each by a process of its own; others wait. 0 forbids it.""",
    )

    conversion_workers_per_user = count(
        2,
        """Files of one user that are converted at the same time.""",
        least=1,
    )

    conversion_queue = count(
        50,
        """Conversions that one user may have waiting and running together.""",
        least=1,
    )

    conversion_nice = count(
        10,
        """How far such a process stands back behind others, kernels above all.""",
        most=19,
    )

    conversion_memory = count(
        4 * 2**30,
        """Bytes of memory that such a process may take; 0 is no limit. Beyond it, it stops and
        says so; far beyond it, it is killed.""",
    )

    conversion_seconds = amount(
        43_200.0,
        """Seconds for which such a process may run; 0 is no limit. What it has written is gone
        on with by the next run where the format allows it.""",
    )

    conversion_size = count(
        2**40,
        """Bytes of the largest file that such a process may write; 0 is no limit.""",
    )

    conversion_python = text(
        """The Python that has progresswidget with its export engine, where it is not the one
        that runs the server.""",
    )
