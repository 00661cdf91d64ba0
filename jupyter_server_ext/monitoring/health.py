"""How the server fares, in one record: what is well, what is not, and how much there is of all."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from jupyter_server_ext import __version__

if TYPE_CHECKING:
    from jupyter_server_ext.services import Services
    from progresswidget.protocol import Json


async def health(services: Services, now: float) -> Json:
    """Return the answer of `api/health`.

    Parameters
    ----------
    now
        Seconds, by the clock of `Services.begun`.
    """
    stores = services.stores
    degraded = not services.lasting or any(store.degraded for store in stores.values())
    unfinished = services.uploads.unfinished()
    jobs = tuple(services.registry.jobs.values())
    return {
        "status": "degraded" if degraded else "ok",
        "version": __version__,
        "epoch": services.hub.epoch,
        "uptime": round(now - services.begun, 3),
        "lasting": services.lasting,
        "stores": {name: store.to_json() for name, store in stores.items()},
        "jobs": dict(Counter(job.status for job in jobs)),
        "transfers": dict(services.transfers.moving()),
        "uploads": {"unfinished": unfinished.uploads, "bytes": unfinished.bytes},
        "disk": await services.disk.use(jobs, uploads=unfinished.bytes),
        "links": services.links.count(),
        "connections": len(services.connections),
        "subscriptions": services.hub.subscriptions(),
    }
