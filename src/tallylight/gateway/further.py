"""Records and sends attempts at callers' videos: the wish is fitted to each service anew."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from tallylight.catalogue.orders import costs_nothing
from tallylight.clock import Clock
from tallylight.gateway.doubt import AllowedAttempt
from tallylight.gateway.errors import REFERENCE_LOST
from tallylight.gateway.finish import measures_of
from tallylight.gateway.inputs import InputResolver
from tallylight.gateway.risk import SecondPayment
from tallylight.gateway.routing.ranking import Choice, Ranking
from tallylight.gateway.routing.routes import Route
from tallylight.gateway.routing.selector import ServiceSelector
from tallylight.jobs.parts import JobParts
from tallylight.jobs.submit import CreateTiming
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt
from tallylight.model.ids import AttemptId
from tallylight.model.ledger import EntryId, EntryState, LedgerEntry, Purpose, SpendingLimit
from tallylight.model.video import Video
from tallylight.storage.transaction import NewAttempt
from tallylight.upstreams.steps import Known

log = structlog.get_logger()

_ADOPTION_POLL_INTERVAL = timedelta(seconds=15)


class FurtherAttempts:
    """Sends a video to a further service."""

    def __init__(
        self,
        jobs: JobParts,
        selector: ServiceSelector,
        inputs: InputResolver,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._selector = selector
        self._inputs = inputs
        self._clock = clock

    async def rank(self, tracked: TrackedVideo, route: Route) -> Ranking:
        """Return the services that may be tried next, best first."""
        return await self._selector.rank(tracked, route)

    async def send(self, tracked: TrackedVideo, allowed: AllowedAttempt) -> Known | None:
        """Record a further attempt and send it; return its job, if any.

        Raises:
            ApiError: if an input was deleted meanwhile.
            BudgetError: if the cost would exceed a limit.
        """
        choice, risk = allowed
        try:
            wish = await self._inputs.wish_for(tracked.video)
        except LookupError:
            raise REFERENCE_LOST from None
        limits = await self._selector.limits_of(tracked.video.key)
        order = await self._jobs.engine.prepare(wish.complete(choice.fitted), choice.service)
        if tracked.is_over:
            return None
        began = self._clock.boottime()
        number, timing = len(tracked.attempts) + 1, self._jobs.timing
        new = new_attempt(tracked.video, number, choice, limits, self._clock.now(), timing)
        if risk is not None:
            new = new._replace(entry=replace(new.entry, note=f"{tracked.video.id}: {risk.note}"))
        video = replace(tracked.video, made=measures_of(tracked.video, new.attempt))
        tracked.is_sending = True
        try:
            if not await self._jobs.journal.decide(tracked, video, new_attempt=new):
                return None
            tracked.intended_at[new.attempt.id] = began
            if risk is not None:
                _log_risk(new.attempt, risk)
            return await self._jobs.engine.submit(tracked, new.attempt, choice.service, order)
        finally:
            tracked.is_sending = False
            tracked.notify()

    async def wait_for_adoption(self, tracked: TrackedVideo) -> None:
        """Wait a while for the operator to adopt the database, and read the video anew."""
        left = max(tracked.video.deadline - self._clock.now(), timedelta())
        await self._clock.sleep(min(_ADOPTION_POLL_INTERVAL, left))
        await self._jobs.journal.refresh(tracked)


def _log_risk(attempt: Attempt, risk: SecondPayment) -> None:
    log.warning(
        "video.risked",
        video=attempt.video,
        attempt=attempt.id,
        service=attempt.service,
        p=round(risk.chance, 4),
        price=str(risk.price),
        risked=str(risk.total),
        rule=",".join(risk.rules),
    )


def new_attempt(  # noqa: PLR0913, PLR0917  # what an attempt consists of
    video: Video,
    number: int,
    choice: Choice,
    limits: Collection[SpendingLimit],
    now: datetime,
    timing: CreateTiming,
) -> NewAttempt:
    """Return an attempt and the reservation of its cost; stores nothing."""
    service = choice.service
    estimate = choice.cost if choice.is_priced or costs_nothing(service) else None
    name = f"{video.id}.{number}"  # unique in the database, so two processes cannot both record it
    entry = LedgerEntry(
        id=EntryId(name),
        service=service.id,
        purpose=Purpose.TRAFFIC,
        note=video.id,
        state=EntryState.RESERVED,
        estimate=estimate,
        amount=estimate,
        at=now,
        payer=video.key,
    )
    attempt = Attempt(
        id=AttemptId(name),
        service=service.id,
        purpose=Purpose.TRAFFIC,
        # The asset store has the bytes of its inputs.
        order=replace(choice.order, inputs=choice.fitted.inputs),
        entry=entry.id,
        intended_at=now,
        video=video.id,
        number=number,
        send_within=timing.send_within,
        answer_within=timing.answer_within(service.upstream, video.deadline - now),
    )
    return NewAttempt(attempt, entry, tuple(limits))
