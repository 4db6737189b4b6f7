"""Health checks of our own process, for orchestrators and load balancers."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.alerts.messages import ENDPOINT_PREFIX
from tallylight.errors import StorageError
from tallylight.status.requests import context_of
from tallylight.storage.outbox import Outbox


async def healthz(_: Request) -> Response:
    """Answer that the process is alive."""
    return JSONResponse({"alive": True})


async def readyz(request: Request) -> Response:
    """Tell whether the database answers and the process does its role's work; 503 if not."""
    sources = context_of(request).sources
    alerts: dict[str, object] = {}
    try:
        await sources.history.incidents(open_only=True, limit=1)
        alerts = await _waiting_alerts(sources.history.outbox)
        database = "ok"
    except StorageError:
        database = "unavailable"
    is_at_work = sources.is_ready()
    is_ready = database == "ok" and is_at_work
    body: dict[str, object] = {"ready": is_ready, "database": database, "alerts": alerts}
    if sources.is_leader():
        body |= {"role": "leader", "probes": "running" if is_at_work else "not running"}
    else:
        body |= {"role": "follower", "board": "up_to_date" if is_at_work else "behind"}
    return JSONResponse(body, 200 if is_ready else 503)


async def _waiting_alerts(outbox: Outbox) -> dict[str, object]:
    """Return the receivers with notifications that wait; they do not make a server unready."""
    backlog = await outbox.backlog(ENDPOINT_PREFIX)
    return {
        endpoint.removeprefix(ENDPOINT_PREFIX): {
            "waiting": each.count,
            "oldest_at": each.oldest.isoformat(),
        }
        for endpoint, each in sorted(backlog.items())
    }
