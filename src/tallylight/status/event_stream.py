"""Listens to the board: tells open pages of changed verdicts, and counts the evidence.

One listener sits at the board for all pages. A page that does not keep up loses the oldest news,
which is no harm: it fetches the state itself when it hears of a change, and again as it reconnects.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Never

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tallylight.i18n import Translator
from tallylight.i18n.labels import status_label
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.evidence import Evidence, Source
from tallylight.model.verdict import Transition
from tallylight.status.ports import BoardReader
from tallylight.status.requests import translator_of
from tallylight.status.uptime_cache import UptimeCache

_QUEUE_LENGTH = 100
_HEARTBEAT_S = 15
_RETRY_MS = 3000
_SEND_TIMEOUT_S = 30


class EvidenceCounter:
    """Counts the evidence that the board takes in."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Source, str]] = Counter()

    def add(self, piece: Evidence) -> None:
        """Count one piece."""
        said = "good" if piece.is_good else "bad" if piece.is_bad else "neutral"
        self.counts[piece.service, piece.source, said] += 1


class EventBroadcaster:
    """All pages that listen."""

    def __init__(self, board: BoardReader, uptime_cache: UptimeCache, max_listeners: int) -> None:
        self._board = board
        self._uptime_cache = uptime_cache
        self._max_listeners = max_listeners
        self._listeners: set[asyncio.Queue[Transition | None]] = set()
        self._is_closed = False
        self.evidence = EvidenceCounter()

    @property
    def listeners(self) -> int:
        """Return how many pages listen."""
        return len(self._listeners)

    @property
    def is_full(self) -> bool:
        """Tell whether no more pages may listen."""
        return self._is_closed or len(self._listeners) >= self._max_listeners

    async def run(self) -> Never:
        """Pass transitions on until cancelled."""
        async with self._board.subscribe() as events:
            while True:
                event = await events.get()
                if isinstance(event, Transition):
                    self._uptime_cache.invalidate()
                    self._broadcast(event)
                elif isinstance(event, Evidence):
                    self.evidence.add(event)

    def close(self) -> None:
        """Let every listener go, and take no more: a server that stops waits for open answers."""
        self._is_closed = True
        self._broadcast(None)

    async def stream(self, to: Translator) -> AsyncIterator[ServerSentEvent]:
        """Yield what happens from now on, in a reader's language."""
        with self._subscribed() as queue:
            yield ServerSentEvent(event="hello", data="{}", retry=_RETRY_MS)
            while (transition := await queue.get()) is not None:
                yield ServerSentEvent(event="verdict", data=self._event_json(transition, to))

    @contextmanager
    def _subscribed(self) -> Iterator[asyncio.Queue[Transition | None]]:
        queue: asyncio.Queue[Transition | None] = asyncio.Queue(_QUEUE_LENGTH)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    def _broadcast(self, transition: Transition | None) -> None:
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(transition)

    def _event_json(self, transition: Transition, to: Translator) -> str:
        after = transition.after
        return json.dumps(
            {
                "id": transition.service,
                "name": self._service_name(transition),
                "status": after.status.value,
                "lamp": after.status.icon,
                "word": status_label(after.status, to),
                "before": transition.before.status.value,
                "since": after.since.isoformat(),
                "reasons": [reason_sentence(reason, to) for reason in after.reasons],
            },
            ensure_ascii=False,
        )

    def _service_name(self, transition: Transition) -> str:
        try:
            return self._board.service(transition.service).name
        except KeyError:
            return transition.service  # it left the catalogue a moment ago


def broadcaster_of(request: Request) -> EventBroadcaster:
    """Return the app's listeners, hung on it by `make_app`."""
    live: EventBroadcaster = request.app.state.live
    return live


async def event_stream(request: Request) -> Response:
    """Answer with a stream of `verdict` events; 503 where too many listen."""
    live = broadcaster_of(request)
    if live.is_full:
        return JSONResponse(
            {"detail": "Too many pages listen; ask again later, or ask /api/services instead."},
            status_code=503,
            headers={"Retry-After": "30"},
        )
    return EventSourceResponse(
        live.stream(translator_of(request)), ping=_HEARTBEAT_S, send_timeout=_SEND_TIMEOUT_S
    )
