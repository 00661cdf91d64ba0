"""Settings: what is known of jobs and their kernels, and for how long."""

from __future__ import annotations

from traitlets import HasTraits

from jupyter_server_ext.config.kinds import amount, count, folders, text


class Jobs(HasTraits):
    """What is known of jobs and their kernels, and for how long."""

    kernel_poll_interval = amount(
        0.5,
        """Seconds between two looks at the kernels of running jobs. A dead kernel's jobs
        become "interrupted" at the next look.""",
        least=0.05,
    )

    kernel_lease = amount(
        15.0,
        """Seconds without a report after which a job becomes "interrupted" whose process
        this server cannot look at: a plain Python process, a kernel of another server, or any
        job after a restart of this server.""",
        least=0.1,
    )

    kernel_url = text(
        """Address of this extension for kernels behind a gateway, ending in
        "progresswidget/". Empty is the address at which the server listens, which another machine
        may know by another name.""",
    )

    max_jobs = count(
        10_000,
        """Jobs that are remembered at most. Where there is no room the oldest finished ones
        are forgotten; if all are running, new ones are refused.""",
        least=1,
    )

    keep_finished = count(
        1_000,
        """Finished jobs that are remembered; older ones are forgotten. Their files stay,
        but for those in `expiring_folders`.""",
    )

    keep_finished_days = amount(
        30.0,
        """Days after which a finished job is forgotten. Its file stays.""",
    )

    reap_interval = amount(
        60.0,
        """Seconds between two looks for what is to be forgotten or removed: finished jobs,
        expired uploads, links and files, and what dead exports have left.""",
        least=0.05,
    )

    keep_leftovers_days = amount(
        7.0,
        """Days after which what exports, transfers and deliveries have left that were killed
        is removed below the roots: hidden parts and journals that no process holds and nobody has
        touched since. Until then the same export goes on with them. 0 keeps them for ever.""",
    )

    expiring_folders = folders(
        """Folders below the roots in which exported files are temporary: they are removed
        after `keep_files_days`, unless somebody has changed them. Other files are never
        touched.""",
    )

    keep_files_days = amount(
        30.0,
        """Days after which an exported file in one of `expiring_folders` is removed. In any
        other folder no file is.""",
    )
