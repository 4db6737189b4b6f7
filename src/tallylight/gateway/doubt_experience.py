"""What doubts have come to, read from the database that all replicas share."""

from collections.abc import Callable
from datetime import timedelta

import structlog

from tallylight.board import Board
from tallylight.clock import Clock
from tallylight.errors import StorageError
from tallylight.model.attempt import Attempt
from tallylight.model.doubt import (
    EXPERIENCE,
    NO_DOUBTS,
    DoubtKind,
    DoubtRecord,
    counts_by_kind,
)
from tallylight.storage.attempts import Attempts

log = structlog.get_logger()

_REFRESH_INTERVAL = timedelta(minutes=5)


class DoubtExperience:
    """Tells how many doubts of each kind had been accepted; reads them every five minutes."""

    def __init__(self, attempts: Attempts, board: Board, clock: Clock) -> None:
        self._attempts = attempts
        self._board = board
        self._clock = clock
        self._records: tuple[DoubtRecord, ...] = ()
        self._read_at = float("-inf")

    async def acceptance_bound(self) -> Callable[[Attempt], float]:
        """Return what tells the upper bound of the probability that an attempt was accepted.

        Without experience that is 1: of a kind of doubt that is new, of a service that has left the
        board, or if the database was never readable.
        """
        await self._refresh()
        upstreams = {each.id: each.upstream.id for each in self._board.services()}
        counts = counts_by_kind(self._records, upstreams)

        def bound(attempt: Attempt) -> float:
            upstream = upstreams.get(attempt.service)
            if upstream is None:
                return NO_DOUBTS.acceptance_bound
            return counts.get(DoubtKind(upstream, attempt.doubt_rule), NO_DOUBTS).acceptance_bound

        return bound

    async def _refresh(self) -> None:
        now = self._clock.boottime()
        if now - self._read_at < _REFRESH_INTERVAL.total_seconds():
            return
        try:
            self._records = await self._attempts.doubts(self._clock.now() - EXPERIENCE)
        except StorageError as error:  # less experience only makes the gateway more careful
            log.warning("doubts.read_failed", error=str(error))
        else:
            self._read_at = now
