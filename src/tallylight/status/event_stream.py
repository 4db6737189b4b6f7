"""The event stream `/api/events`: sends changed verdicts to open pages, and counts evidence.

One subscription to the board serves all clients. A client that reads too slowly loses its oldest
events. That loses no state: a page fetches the state itself after an event and after a reconnect.
"""

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Never

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.board.events import Subscribers
from tallylight.i18n import Translator
from tallylight.model.evidence import Evidence, Source
from tallylight.model.verdict import Transition
from tallylight.status.ports import BoardReader
from tallylight.status.requests import translator_of
from tallylight.status.uptime_cache import UptimeCache
from tallylight.status.views.detail import evidence_outcome
from tallylight.status.views.services import ServiceRow, service_row

_QUEUE_LENGTH = 100
_HEARTBEAT_S = 15
_RETRY_MS = 3000
_SEND_TIMEOUT_S = 30


class EventBroadcaster:
    """Passes the board's transitions on to all clients of the event stream."""

    def __init__(self, board: BoardReader, uptime_cache: UptimeCache, max_clients: int) -> None:
        self._board = board
        self._uptime_cache = uptime_cache
        self._max_clients = max_clients
        self._subscribers = Subscribers[Transition | None](_QUEUE_LENGTH)
        self._is_closed = False
        self.evidence_counts: Counter[tuple[str, Source, str]] = Counter()

    @property
    def clients(self) -> int:
        """Return the number of connected clients."""
        return len(self._subscribers)

    @property
    def is_full(self) -> bool:
        """Tell whether no more clients are accepted."""
        return self._is_closed or self.clients >= self._max_clients

    async def run(self) -> Never:
        """Pass transitions on until cancelled."""
        async with self._board.subscribe() as events:
            while True:
                event = await events.get()
                if isinstance(event, Transition):
                    self._uptime_cache.invalidate()
                    self._subscribers.publish(event)
                elif isinstance(event, Evidence):
                    outcome = evidence_outcome(event)
                    self.evidence_counts[event.service, event.source, outcome] += 1

    def close(self) -> None:
        """End all streams and accept no more: a stopping server waits for open responses."""
        self._is_closed = True
        self._subscribers.publish(None)

    async def stream(self, to: Translator) -> AsyncIterator[ServerSentEvent]:
        """Yield the transitions from now on, in a reader's language."""
        async with self._subscribers.subscribe() as queue:
            yield ServerSentEvent(event="hello", data="{}", retry=_RETRY_MS)
            while (transition := await queue.get()) is not None:
                try:
                    row = service_row(self._board, transition.service, to)
                except KeyError:
                    continue  # the service has just left the catalogue
                row = replace(row, verdict=transition.after)
                yield ServerSentEvent(event="verdict", data=_event_json(row, transition))


def _event_json(row: ServiceRow, transition: Transition) -> str:
    return json.dumps(
        {
            "id": row.service.id,
            "name": row.service.name,
            "status": row.status.value,
            "lamp": row.status.icon,
            "word": row.status_label,
            "before": transition.before.status.value,
            "since": row.verdict.since.isoformat(),
            "reasons": row.reasons,
        },
        ensure_ascii=False,
    )


def broadcaster_of(request: Request) -> EventBroadcaster:
    """Return the broadcaster that `make_status_app` has set on the app."""
    broadcaster: EventBroadcaster = request.app.state.broadcaster
    return broadcaster


async def event_stream(request: Request) -> Response:
    """Answer with a stream of `verdict` events, or 503 if too many streams are open."""
    broadcaster = broadcaster_of(request)
    if broadcaster.is_full:
        return JSONResponse(
            {"detail": "Too many event streams are open; retry later, or poll /api/services."},
            status_code=503,
            headers={"Retry-After": "30"},
        )
    return EventSourceResponse(
        broadcaster.stream(translator_of(request)),
        ping=_HEARTBEAT_S,
        send_timeout=_SEND_TIMEOUT_S,
    )
