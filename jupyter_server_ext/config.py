"""Every setting, in one place: ``c.ProgressExtension.<name>`` in the Jupyter configuration."""

from __future__ import annotations

from urllib.parse import urlsplit

from traitlets import Bool, Enum, Float, HasTraits, Integer, List, TraitError, Unicode, validate

from jupyter_server_ext.shaping import LEAST_BURST
from jupyter_server_ext.stores.redis import SCHEMES, SENTINELS


class Settings(HasTraits):
    """What an administrator or user can set; mixed into `ProgressExtension`."""

    push_interval = Float(
        0.5,
        min=0.01,
        help="""Seconds between two pushes of one job's progress to a page, and between two
        batches written to the database. Changes of state are pushed at once.""",
    ).tag(config=True)

    heartbeat = Float(
        30.0,
        min=0.1,
        help="""Seconds between two signs of life on a WebSocket. A peer that is silent for twice
        as long is disconnected.""",
    ).tag(config=True)

    slow_timeout = Float(
        30.0,
        min=0.1,
        help="""Seconds for which a page may take nothing of what it is to be told before it is
        disconnected. Until then it costs a bounded memory, and is told the newest afterwards.""",
    ).tag(config=True)

    roots = List(
        Unicode(),
        help="""Folders below which exported files may be downloaded, besides the server's root
        folder.""",
    ).tag(config=True)

    store = Enum(
        ["sqlite", "memory"],
        default_value="sqlite",
        help="""Where jobs are kept: "sqlite" in a file below the Jupyter runtime directory, or
        "memory", which forgets them when the server ends.""",
    ).tag(config=True)

    redact_events = Bool(
        default_value=True,
        help="""Whether the events of jobs and transfers come without paths, names, notebooks and
        users. Whoever may subscribe to a server's events gets those of all its users.""",
    ).tag(config=True)

    store_url = Unicode(
        "",
        help="""Redis that several servers behind one address share: "redis://host:6379/0",
        "rediss://…?ssl_ca_certs=/path" with TLS or "unix:///path", and a password as in
        "redis://:password@host". Neither Sentinel nor Cluster. They show the same jobs, links and
        transfers, whichever of them one reaches. Empty is a server of its own. It needs
        progresswidget[redis].""",
    ).tag(config=True)

    store_namespace = Unicode(
        "",
        help="""Name of the servers that share their state in Redis. Empty means all that have the
        same root folder and base URL; set it where unrelated servers use one Redis.""",
    ).tag(config=True)

    server_lease = Float(
        10.0,
        min=0.3,
        help="""Seconds without a sign of life after which the other servers on one Redis take a
        server for dead: jobs that only it has heard of then become "interrupted".""",
    ).tag(config=True)

    kernel_poll_interval = Float(
        0.5,
        min=0.05,
        help="""Seconds between two looks at the kernels of running jobs. A dead kernel's jobs
        become "interrupted" at the next look.""",
    ).tag(config=True)

    kernel_lease = Float(
        15.0,
        min=0.1,
        help="""Seconds without a report after which a job becomes "interrupted" whose process
        this server cannot look at: a plain Python process, a kernel of another server, or any
        job after a restart of this server.""",
    ).tag(config=True)

    kernel_url = Unicode(
        "",
        help="""Address of this extension for kernels behind a gateway, ending in
        "progresswidget/". Empty is the address at which the server listens, which another machine
        may know by another name.""",
    ).tag(config=True)

    max_jobs = Integer(
        10_000,
        min=1,
        help="""Jobs that are remembered at most. Where there is no room the oldest finished ones
        are forgotten; if all are running, new ones are refused.""",
    ).tag(config=True)

    keep_finished = Integer(
        1_000,
        min=0,
        help="""Finished jobs that are remembered; older ones are forgotten. Their files stay,
        but for those in `expiring_folders`.""",
    ).tag(config=True)

    keep_finished_days = Float(
        30.0,
        min=0.0,
        help="""Days after which a finished job is forgotten. Its file stays.""",
    ).tag(config=True)

    reap_interval = Float(
        60.0,
        min=0.05,
        help="""Seconds between two looks for what is to be forgotten or removed: finished jobs,
        expired uploads, links and files, and what dead exports have left.""",
    ).tag(config=True)

    keep_leftovers_days = Float(
        7.0,
        min=0.0,
        help="""Days after which what exports, transfers and deliveries have left that were killed
        is removed below the roots: hidden parts and journals that no process holds and nobody has
        touched since. Until then the same export goes on with them. 0 keeps them for ever.""",
    ).tag(config=True)

    expiring_folders = List(
        Unicode(),
        help="""Folders below the roots in which exported files are temporary: they are removed
        after `keep_files_days`, unless somebody has changed them. Other files are never
        touched.""",
    ).tag(config=True)

    keep_files_days = Float(
        30.0,
        min=0.0,
        help="""Days after which an exported file in one of `expiring_folders` is removed. In any
        other folder no file is.""",
    ).tag(config=True)

    max_connections_per_user = Integer(
        64,
        min=1,
        help="""WebSockets that one user may have open. A page needs one.""",
    ).tag(config=True)

    poll_wait = Float(
        25.0,
        min=0.0,
        help="""Seconds for which a question waits for news of jobs at most, of a page whose
        network lets no WebSocket through. Proxies cut what is silent, often after 60 seconds.""",
    ).tag(config=True)

    access_recheck = Float(
        30.0,
        min=0.1,
        help="""Seconds after which a connected page is asked anew who it is and what it may see:
        a login that has ended closes its WebSocket.""",
    ).tag(config=True)

    max_polls_per_user = Integer(
        128,
        min=1,
        help="""Such questions of one user that may wait at the same time. A page has two.""",
    ).tag(config=True)

    stall_timeout = Float(
        60.0,
        min=0.1,
        help="""Seconds after which a download is cut whose client takes no bytes.""",
    ).tag(config=True)

    follow_patience = Float(
        3600.0,
        min=0.1,
        help="""Seconds that a download which follows a running export waits for news of it, for
        instance while it is paused, before it is cut.""",
    ).tag(config=True)

    read_threads = Integer(
        8,
        min=1,
        help="""Threads that read files for downloads; each reads one block at a time for whichever
        download waits.""",
    ).tag(config=True)

    max_archive_entries = Integer(
        100_000,
        min=1,
        help="""Files and folders that one archive may hold: they are listed before the first byte
        leaves.""",
    ).tag(config=True)

    max_link_seconds = Float(
        86_400.0,
        min=0.0,
        help="""Seconds for which a signed link to an exported file may be open at most; 0 forbids
        such links.""",
    ).tag(config=True)

    max_links = Integer(
        1_000,
        min=0,
        help="""Signed links that may be open at the same time.""",
    ).tag(config=True)

    idempotency_expiry = Float(
        86_400.0,
        min=1.0,
        help="""Seconds for which an Idempotency-Key is known: the same request with it makes
        nothing new.""",
    ).tag(config=True)

    max_idempotency_keys = Integer(
        10_000,
        min=1,
        help="""Keys of requests that are known at most; beyond it the oldest is forgotten. Redis
        forgets them by their age alone.""",
    ).tag(config=True)

    max_awake = Float(
        43_200.0,
        min=0.0,
        help="""Seconds for which one download or upload counts as a use of the server, so that a
        hub does not end it in the middle.""",
    ).tag(config=True)

    keep_transfers = Integer(
        1_000,
        min=0,
        help="""Transfers of which it is remembered how far they are, for as many days as finished
        jobs are.""",
    ).tag(config=True)

    transfer_rate = Float(
        0.0,
        min=0.0,
        help="""Bytes per second that one download may take; 0 is no limit. This and the other
        rates may be changed while the server runs.""",
    ).tag(config=True)

    user_rate = Float(
        0.0,
        min=0.0,
        help="""Bytes per second that all downloads of one user may take together; 0 is no limit.
        They share it equally.""",
    ).tag(config=True)

    server_rate = Float(
        0.0,
        min=0.0,
        help="""Bytes per second that all downloads of this server may take together; 0 is no
        limit. The users share it equally, and each user's downloads their part of it.""",
    ).tag(config=True)

    rate_burst = Float(
        0.25,
        min=LEAST_BURST,
        help="""Seconds of each rate that may be made up for at once after nothing has moved for a
        while.""",
    ).tag(config=True)

    max_upload_size = Integer(
        2**40,
        min=1,
        help="""Bytes that one uploaded file may have; more is refused before it is sent.""",
    ).tag(config=True)

    upload_quota = Integer(
        2**40,
        min=1,
        help="""Bytes that all unfinished uploads of one user may have together.""",
    ).tag(config=True)

    max_uploads_per_user = Integer(
        128,
        min=1,
        help="""Uploads that one user may have unfinished at the same time.""",
    ).tag(config=True)

    upload_expiry = Float(
        24 * 3600.0,
        min=0.1,
        help="""Seconds without a byte after which an unfinished upload is removed.""",
    ).tag(config=True)

    upload_idle_timeout = Float(
        30.0,
        min=0.1,
        help="""Seconds without a byte after which the request of an upload is ended. What has
        come is kept.""",
    ).tag(config=True)

    write_threads = Integer(
        8,
        min=1,
        help="""Threads that write uploads; each writes one block at a time for whichever upload
        waits.""",
    ).tag(config=True)

    conversion_workers = Integer(
        2,
        min=0,
        help="""Files that are converted to another format at the same time ("Export As…" in the
        file browser), each by a process of its own; others wait. 0 forbids it.""",
    ).tag(config=True)

    conversion_workers_per_user = Integer(
        2,
        min=1,
        help="""Files of one user that are converted at the same time.""",
    ).tag(config=True)

    conversion_queue = Integer(
        50,
        min=1,
        help="""Conversions that one user may have waiting and running together.""",
    ).tag(config=True)

    conversion_nice = Integer(
        10,
        min=0,
        max=19,
        help="""How far such a process stands back behind others, kernels above all.""",
    ).tag(config=True)

    conversion_memory = Integer(
        4 * 2**30,
        min=0,
        help="""Bytes of memory that such a process may take; 0 is no limit. Beyond it, it stops and
        says so; far beyond it, it is killed.""",
    ).tag(config=True)

    conversion_seconds = Float(
        43_200.0,
        min=0.0,
        help="""Seconds for which such a process may run; 0 is no limit. What it has written is gone
        on with by the next run where the format allows it.""",
    ).tag(config=True)

    conversion_size = Integer(
        2**40,
        min=0,
        help="""Bytes of the largest file that such a process may write; 0 is no limit.""",
    ).tag(config=True)

    conversion_python = Unicode(
        "",
        help="""The Python that has progresswidget with its export engine, where it is not the one
        that runs the server.""",
    ).tag(config=True)

    head_timeout = Float(
        120.0,
        min=0.0,
        help="""Seconds within which the head of a request must have come, on every connection of
        the server, also after the request before; 0 leaves it as it is, which is an hour.""",
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
