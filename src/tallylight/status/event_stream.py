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
from tallylight.i18n.labels import status_word
from tallylight.i18n.reasons import sentence
from tallylight.model.evidence import Evidence, Source
from tallylight.model.verdict import Transition
from tallylight.status.ports import BoardReader
from tallylight.status.requests import translator_of
from tallylight.status.uptime_cache import Past

_QUEUE_LENGTH = 100
_HEARTBEAT_S = 15
_RETRY_MS = 3000
_SEND_TIMEOUT_S = 30


class EvidenceCount:
    """Counts the evidence that the board takes in."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, Source, str]] = Counter()

    def add(self, piece: Evidence) -> None:
        """Count one piece."""
        said = "good" if piece.is_good else "bad" if piece.is_bad else "neutral"
        self.counts[piece.service, piece.source, said] += 1


class Live:
    """All pages that listen."""

    def __init__(self, board: BoardReader, past: Past, most: int) -> None:
        self._board = board
        self._past = past
        self._most = most
        self._listeners: set[asyncio.Queue[Transition | None]] = set()
        self._is_closed = False
        self.evidence = EvidenceCount()

    @property
    def listeners(self) -> int:
        """Return how many pages listen."""
        return len(self._listeners)

    @property
    def is_full(self) -> bool:
        """Tell whether no more pages may listen."""
        return self._is_closed or len(self._listeners) >= self._most

    async def run(self) -> Never:
        """Pass transitions on until cancelled."""
        async with self._board.subscribe() as events:
            while True:
                event = await events.get()
                if isinstance(event, Transition):
                    self._past.forget()
                    self._pass_on(event)
                elif isinstance(event, Evidence):
                    self.evidence.add(event)

    def close(self) -> None:
        """Let every listener go, and take no more: a server that stops waits for open answers."""
        self._is_closed = True
        self._pass_on(None)

    async def events(self, to: Translator) -> AsyncIterator[ServerSentEvent]:
        """Yield what happens from now on, in a reader's language."""
        with self._listening() as queue:
            yield ServerSentEvent(event="hello", data="{}", retry=_RETRY_MS)
            while (transition := await queue.get()) is not None:
                yield ServerSentEvent(event="verdict", data=self._told(transition, to))

    @contextmanager
    def _listening(self) -> Iterator[asyncio.Queue[Transition | None]]:
        queue: asyncio.Queue[Transition | None] = asyncio.Queue(_QUEUE_LENGTH)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)

    def _pass_on(self, transition: Transition | None) -> None:
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(transition)

    def _told(self, transition: Transition, to: Translator) -> str:
        after = transition.after
        return json.dumps(
            {
                "id": transition.service,
                "name": self._name(transition),
                "status": after.status.value,
                "lamp": after.status.icon,
                "word": status_word(after.status, to),
                "before": transition.before.status.value,
                "since": after.since.isoformat(),
                "reasons": [sentence(reason, to) for reason in after.reasons],
            },
            ensure_ascii=False,
        )

    def _name(self, transition: Transition) -> str:
        try:
            return self._board.service(transition.service).name
        except KeyError:
            return transition.service  # it left the catalogue a moment ago


def live_of(request: Request) -> Live:
    """Return the app's listeners, hung on it by `make_app`."""
    live: Live = request.app.state.live
    return live


async def events(request: Request) -> Response:
    """Answer with a stream of `verdict` events; 503 where too many listen."""
    live = live_of(request)
    if live.is_full:
        return JSONResponse(
            {"detail": "Too many pages listen; ask again later, or ask /api/services instead."},
            status_code=503,
            headers={"Retry-After": "30"},
        )
    return EventSourceResponse(
        live.events(translator_of(request)), ping=_HEARTBEAT_S, send_timeout=_SEND_TIMEOUT_S
    )
