"""What callers' videos show of the services: evidence, news for the circuit, figures."""

import asyncio
from datetime import datetime, timedelta

import structlog

from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.gateway.metrics import Meters, Outcome
from tallylight.gateway.routing.circuit_breaker import Circuit
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Evidence, Failure, Source
from tallylight.model.ids import ServiceId
from tallylight.model.video import Video

log = structlog.get_logger()

_ACCEPTANCES = timedelta(seconds=10)
"""So often is it told that a service goes on accepting: a good acceptance proves little."""


class Witness:
    """Tells of what happened to attempts.

    The circuit hears of it at once. The board is told by a task of its own: a transition waits for
    the disk, and no video has to wait for that.
    """

    def __init__(self, board: Board, circuit: Circuit, meters: Meters, clock: Clock) -> None:
        self._board = board
        self._circuit = circuit
        self._meters = meters
        self._clock = clock
        self._told: dict[ServiceId, datetime] = {}
        self._untold: asyncio.Queue[Evidence] = asyncio.Queue()

    def accepted(self, service: ServiceId) -> None:
        """Tell that a service has accepted a job."""
        now = self._clock.now()
        self._circuit.accepted(service, now)
        self._meters.count(service, Outcome.ACCEPTED)
        told = self._told.get(service)
        if told is None or now - told >= _ACCEPTANCES:
            self._told[service] = now
            self._untold.put_nowait(Evidence(service, now, Source.ACCEPTANCE))

    def refused(self, service: ServiceId, failure: Failure) -> None:
        """Tell that a service has refused a job."""
        self._meters.count(service, Outcome.REFUSED)
        self._not_accepted(service, failure)

    def doubted(self, service: ServiceId, failure: Failure) -> None:
        """Tell that nobody knows whether a service has accepted a job."""
        self._meters.count(service, Outcome.IN_DOUBT)
        self._not_accepted(service, failure)

    def failed(self, service: ServiceId, failure: Failure) -> None:
        """Tell that an accepted job brought no video."""
        now = self._clock.now()
        self._circuit.failed(service, failure, now)
        self._meters.count(service, Outcome.FAILED)
        self._untold.put_nowait(Evidence(service, now, Source.TRAFFIC, failure=failure))

    def delivered(self, attempt: Attempt, took: timedelta | None) -> None:
        """Tell that a video arrived, and how long that took from its create."""
        now = self._clock.now()
        self._circuit.delivered(attempt.service, now)
        self._untold.put_nowait(Evidence(attempt.service, now, Source.TRAFFIC, latency=took))
        parts = stages(attempt, now)
        self._meters.count(attempt.service, Outcome.DELIVERED)
        self._meters.time(attempt.service, parts)
        log.info("attempt.delivered", service=attempt.service, attempt=attempt.id, **parts)

    def ended(self, video: Video) -> None:
        """Tell that a video has come to its end."""
        self._meters.end(video)

    async def run(self) -> None:
        """Tell the board what happened, until cancelled; then what is left."""
        try:
            while True:
                await self._report(await self._untold.get())
        finally:
            while not self._untold.empty():
                await self._report(self._untold.get_nowait())

    def _not_accepted(self, service: ServiceId, failure: Failure) -> None:
        now = self._clock.now()
        self._circuit.refused(service, failure, now)
        self._told.pop(service, None)
        self._untold.put_nowait(Evidence(service, now, Source.ACCEPTANCE, failure=failure))

    async def _report(self, evidence: Evidence) -> None:
        if evidence.service not in self._board:
            return  # it has left the catalogue
        try:
            await self._board.report(evidence)
        except StorageError as error:  # the board tells it later; the video goes on
            log.warning("evidence.untold", service=evidence.service, error=str(error))


def stages(attempt: Attempt, now: datetime) -> dict[str, float]:
    """Return how long each stage of a delivered attempt took, in seconds, as far as it was seen."""
    moments = {
        "accept": (attempt.intended_at, attempt.accepted_at),
        "queue": (attempt.accepted_at, attempt.started_at),
        "render": (attempt.started_at or attempt.accepted_at, attempt.rendered_at),
        "download": (attempt.rendered_at, attempt.ended_at or now),
    }
    return {
        name: round((end - start).total_seconds(), 3)
        for name, (start, end) in moments.items()
        if start is not None and end is not None
    }
