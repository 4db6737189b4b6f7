"""Stores an attempt's state, its cost and its evidence in an order that survives a crash.

The evidence of an end is stored before the attempt is ended: after a crash between the two, the
attempt is unfinished and its end is found again. The ledger is last: an entry that is never settled
counts as spent. While the database is unavailable, writes are retried, because a paid job that is
not stored is lost.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import BillingBasis, Service
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.evidence import Evidence, Failure, Source
from tallylight.storage.attempts import Attempts
from tallylight.storage.database import Storage
from tallylight.upstreams.messages import Job

log = structlog.get_logger()

_T = TypeVar("_T")

_RETRY_DELAYS = tuple(timedelta(seconds=s) for s in (1, 2, 5, 10, 30, 60, 60, 60))


@dataclass(frozen=True, slots=True)
class ProbeOutcome:
    """How an accepted job ended.

    Args:
        failure: Why no video arrived; None if one did.
        is_proven_not_billed: The upstream itself reports the failure, so an upstream that bills
            deliveries charges nothing. A job that we gave up may still be delivered, and billed.
        latency: From create to the last byte of the video; None if it is not known.
    """

    failure: Failure | None
    is_proven_not_billed: bool = False
    latency: timedelta | None = None


class ProbeSettlement:
    """Stores what happens to attempts."""

    def __init__(self, board: Board, history: Storage, clock: Clock) -> None:
        self._board = board
        self._history = history
        self._clock = clock

    async def record_accepted(self, attempt: Attempt, job: Job) -> Attempt:
        """Record that the upstream accepted the attempt."""
        now = self._clock.now()
        attempt = await self._write_state(
            attempt,
            AttemptState.ACCEPTED,
            lambda: self._rows.mark_accepted(attempt.id, job.id, now),
        )
        if not job.state.is_terminal:
            await self._report_if_on_board(Evidence(attempt.service, now, Source.ACCEPTANCE))
        return attempt

    async def record_in_doubt(self, attempt: Attempt, why: str) -> Attempt:
        """Record that the attempt may or may not have been accepted."""
        return await self._write_state(
            attempt, AttemptState.IN_DOUBT, lambda: self._rows.mark_in_doubt(attempt.id, why)
        )

    async def record_refused(self, attempt: Attempt, failure: Failure) -> Evidence:
        """Record that the upstream refused the attempt, so nothing was billed."""
        evidence = await self._report(attempt, failure, None)
        await self._write_state(
            attempt,
            AttemptState.REFUSED,
            lambda: self._rows.mark_refused(attempt.id, failure, evidence.at),
        )
        await self._retry(lambda: self._history.ledger.release(attempt.entry))
        return evidence

    async def record_ended(
        self, service: Service, attempt: Attempt, outcome: ProbeOutcome
    ) -> Evidence:
        """Record how an attempt that was accepted, or may have been, ended."""
        failure = outcome.failure
        evidence = await self._report(attempt, failure, outcome.latency)
        if failure is None:
            await self._write_state(
                attempt,
                AttemptState.DELIVERED,
                lambda: self._rows.mark_delivered(attempt.id, evidence.at),
            )
        else:
            await self._write_state(
                attempt,
                AttemptState.FAILED,
                lambda: self._rows.mark_failed(attempt.id, failure, evidence.at),
            )
        if outcome.is_proven_not_billed and service.upstream.bills is BillingBasis.DELIVERIES:
            await self._retry(lambda: self._history.ledger.release(attempt.entry))
        else:  # it was paid for, or may have been
            await self._retry(lambda: self._history.ledger.settle(attempt.entry))
        return evidence

    @property
    def _rows(self) -> Attempts:
        return self._history.attempts

    async def _report(
        self, attempt: Attempt, failure: Failure | None, latency: timedelta | None
    ) -> Evidence:
        evidence = Evidence(
            service=attempt.service,
            at=self._clock.now(),
            source=Source.GENERATION,
            failure=failure,
            latency=latency,
        )
        await self._report_if_on_board(evidence, attempt.intended_at)
        await self._retry(self._history.flush)
        log.info(
            "probe.ended",
            service=attempt.service,
            failure=None if failure is None else failure.kind,
            rule=None if failure is None else failure.rule,
            seconds=None if latency is None else round(latency.total_seconds(), 1),
        )
        return evidence

    async def _report_if_on_board(
        self, evidence: Evidence, began_at: datetime | None = None
    ) -> None:
        if evidence.service in self._board:  # otherwise it was removed from the configuration
            await self._board.report(evidence, began_at)

    async def _write_state(
        self, attempt: Attempt, state: AttemptState, write: Callable[[], Awaitable[Attempt]]
    ) -> Attempt:
        async def once() -> Attempt:
            try:
                return await write()
            except StorageError:
                # The commit may have succeeded although its response was lost.
                stored = await self._rows.get(attempt.id)
                if stored is None or stored.state is not state:
                    raise
                return stored

        return await self._retry(once)

    async def _retry(self, write: Callable[[], Awaitable[_T]]) -> _T:
        for delay in _RETRY_DELAYS:
            try:
                return await write()
            except StorageError as error:
                log.warning("probe.store_failed", error=str(error))
                await self._clock.sleep(delay)
        return await write()
