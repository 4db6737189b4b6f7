"""Health checks of our own process, for orchestrators and load balancers."""

import asyncio
from typing import Final

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.alerts.messages import ENDPOINT_PREFIX
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.status.requests import context_of
from tallylight.storage.database import Storage
from tallylight.storage.outbox import Outbox

log = structlog.get_logger()

_VALID_SECONDS: Final = 1.0
_LONGEST_WRITE_SECONDS: Final = 8.0


class DatabaseProbe:
    """Tries a write, at most once a second, however often it is asked."""

    def __init__(self, history: Storage, clock: Clock) -> None:
        self._history = history
        self._clock = clock
        self._asked_at = float("-inf")
        self._problem = ""
        self._lock = asyncio.Lock()

    async def problem(self) -> str:
        """Return why the database cannot be written, "" if it can."""
        async with self._lock:
            if self._clock.monotonic() - self._asked_at >= _VALID_SECONDS:
                before, self._problem = self._problem, await self._write()
                self._asked_at = self._clock.monotonic()
                if self._problem and self._problem != before:
                    log.error("database.not_writable", error=self._problem)
        return self._problem

    async def _write(self) -> str:
        try:
            async with asyncio.timeout(_LONGEST_WRITE_SECONDS):
                await self._history.check_writable()
        except TimeoutError:
            return f"a write has waited for {_LONGEST_WRITE_SECONDS:.0f} s"
        except StorageError as error:
            return str(error)
        return ""


async def healthz(_: Request) -> Response:
    """Answer that the process is alive."""
    return JSONResponse({"alive": True})


async def readyz(request: Request) -> Response:
    """Tell whether the database takes writes and the process does its role's work; 503 if not."""
    sources = context_of(request).sources
    alerts: dict[str, object] = {}
    probe: DatabaseProbe = request.app.state.database_probe
    database = "unavailable" if await probe.problem() else "ok"
    if database == "ok":
        try:
            alerts = await _waiting_alerts(sources.history.outbox)
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
