"""The paid probe: placing an order, following it to its end over restarts, checking the video.

Money first: the estimate is reserved in the ledger, then the attempt is written down, and only then
is anything sent. `follow` is re-entrant: it takes an attempt to its end from whatever the tables
say, so that a killed process picks its jobs up and pays for none twice.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import Bills, Budget, Service
from tallylight.clock import Clock
from tallylight.history.attempts import Attempt, AttemptState
from tallylight.history.database import History
from tallylight.history.ledger import Purpose
from tallylight.money import cost_of
from tallylight.probes.delivery import Delivery
from tallylight.terms import (
    AttemptId,
    Depth,
    Evidence,
    Failure,
    FailureKind,
    Fault,
    Order,
    ServiceId,
    Source,
)
from tallylight.upstreams.acceptance import Acceptance, acceptance
from tallylight.upstreams.protocols.registry import protocol
from tallylight.upstreams.transport import Transport
from tallylight.upstreams.wire import Job, JobState, Reply

log = structlog.get_logger()

_SOONEST_POLL, _LATEST_POLL = timedelta(seconds=1), timedelta(seconds=10)

_SEARCHES = (timedelta(), timedelta(seconds=10), timedelta(seconds=30), timedelta(seconds=60))
"""When to look for a job in doubt in the upstream's list; a job may show there a little late."""

_LOST_POLLS = 3
"""So many answers in a row that there is no such job, and it is lost."""

_INTERRUPTED = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.OURS,
    rule="probe:interrupted",
    text="our own restart cut the answer off; nobody knows whether the job was accepted",
)


class Generations:
    """Places generation probes and follows them."""

    def __init__(
        self, board: Board, history: History, transport: Transport, clock: Clock, total: Budget
    ) -> None:
        self._board = board
        self._history = history
        self._transport = transport
        self._clock = clock
        self._delivery = Delivery(transport, clock)
        self.total = total

    async def place(self, service: Service) -> Evidence:
        """Order a video of a service and follow it to its end.

        Raises:
            BudgetError: if that could exceed a budget; nothing was sent.
            ValueError: if the service has no order or no price to probe with.
        """
        if service.probe_order is None or service.sheet.price is None:
            raise ValueError(f"{service.id} has no price, so its generation cannot be budgeted")
        now = self._clock.now()
        id_ = AttemptId(uuid4().hex)
        entry = await self._history.ledger.reserve(
            service.id,
            Purpose.PROBE,
            cost_of(service.sheet.price, service.probe_order),
            budget=service.budget,
            total=self.total,
            at=now,
            note="generation probe",
        )
        attempt = Attempt(
            id=id_,
            service=service.id,
            purpose=Purpose.PROBE,
            order=_marked(service.probe_order, id_),
            model=service.model,
            entry=entry,
            intended_at=now,
        )
        await self._history.attempts.intend(attempt)
        return await self._send(service, attempt)

    async def unfinished(self) -> tuple[Attempt, ...]:
        """Return the probes that a former process left under way, of services on the board."""
        known = {service.id for service in self._board.services()}
        return tuple(
            attempt
            for attempt in await self._history.attempts.unfinished()
            if attempt.purpose is Purpose.PROBE and attempt.service in known
        )

    async def follow(self, attempt: Attempt) -> Evidence:
        """Take an attempt that was left unfinished to its end; nothing is ever sent again."""
        service = self._board.service(attempt.service)
        log.info("probe.resumed", service=service.id, attempt=attempt.id, state=attempt.state)
        match attempt.state:
            case AttemptState.ACCEPTED if not protocol(service.upstream).streams:
                return await self._poll(service, attempt)
            case AttemptState.ACCEPTED:
                return await self._fail(service, attempt, _INTERRUPTED)
            case AttemptState.INTENDED:
                attempt = await self._history.attempts.doubt(attempt.id, _INTERRUPTED.text)
            case _:
                pass
        return await self._reconcile(service, attempt, _INTERRUPTED)

    async def last_placed(self, service: ServiceId) -> datetime | None:
        """Return when the newest probe of a service was placed."""
        return await self._history.attempts.last_intended(service, Purpose.PROBE)

    async def billed_by_accident(self, service: ServiceId) -> Collection[Depth]:
        """Return the depths of free probes of a service that once started a job."""
        return {Depth(note) for note in await self._history.ledger.accidents(service)}

    async def book_accident(self, service: Service, depth: Depth, job: Job) -> None:
        """Record the cost of a probe that was meant to be free and started a job."""
        price, order = service.sheet.price, service.probe_order
        cost = cost_of(price, order) if price is not None and order is not None else Decimal(0)
        await self._history.ledger.charge(
            service.id, Purpose.ACCIDENT, cost, at=self._clock.now(), note=depth.value
        )
        log.warning("probe.billed", service=service.id, depth=depth, job=job.id, cost_usd=str(cost))

    async def _send(self, service: Service, attempt: Attempt) -> Evidence:
        adapter = protocol(service.upstream)
        if adapter.streams:
            return await self._stream(service, attempt)
        request = adapter.create(attempt.order, attempt.model)
        reply = await self._transport.send(request, service.upstream)
        return await self._answered(service, attempt, reply, adapter.read_job(reply))

    async def _answered(
        self, service: Service, attempt: Attempt, reply: Reply, outcome: Job | Failure
    ) -> Evidence:
        if isinstance(outcome, Job):
            attempt = await self._accept(service, attempt, outcome)
            return await self._accepted(service, attempt, outcome)
        if (
            acceptance(reply, outcome, refuses_with_500=service.upstream.refuses_with_500)
            is Acceptance.REFUSED
        ):
            return await self._refused(service, attempt, outcome)
        attempt = await self._history.attempts.doubt(attempt.id, outcome.text)
        return await self._reconcile(service, attempt, outcome)

    async def _accept(self, service: Service, attempt: Attempt, job: Job) -> Attempt:
        now = self._clock.now()
        attempt = await self._history.attempts.accept(attempt.id, job.id, now)
        if job.state is not JobState.FAILED:
            await self._board.report(Evidence(service=service.id, at=now, source=Source.ACCEPTANCE))
        return attempt

    async def _accepted(self, service: Service, attempt: Attempt, job: Job) -> Evidence:
        if job.state in {JobState.COMPLETED, JobState.FAILED}:
            return await self._ended(service, attempt, job)
        return await self._poll(service, attempt)

    async def _stream(self, service: Service, attempt: Attempt) -> Evidence:
        adapter = protocol(service.upstream)
        request = adapter.create(attempt.order, attempt.model)
        reader = adapter.open_stream()
        async with self._transport.stream(request, service.upstream) as answer:
            if not answer.is_open:
                outcome = adapter.read_job(answer.reply)
                return await self._answered(service, attempt, answer.reply, outcome)
            async for chunk in answer:
                job = reader.feed(chunk)
                is_news = attempt.state is AttemptState.INTENDED
                if is_news and job is not None and job.state is not JobState.FAILED:
                    attempt = await self._accept(service, attempt, job)
            job = reader.end(answer.reply.error)
        if attempt.state is AttemptState.INTENDED:
            if job.failure is not None and answer.reply.error:
                return await self._answered(service, attempt, answer.reply, job.failure)
            attempt = await self._accept(service, attempt, job)
        return await self._ended(service, attempt, job)

    async def _poll(self, service: Service, attempt: Attempt) -> Evidence:
        adapter = protocol(service.upstream)
        began = attempt.accepted_at or attempt.intended_at
        lost = 0
        while True:
            waited = self._clock.now() - began
            if waited > service.upstream.job_timeout:
                return await self._fail(service, attempt, _stalled(waited))
            await self._clock.sleep(min(max(waited / 10, _SOONEST_POLL), _LATEST_POLL))
            reply = await self._transport.send(adapter.poll(attempt.job), service.upstream)
            answer = adapter.read_job(reply)
            if isinstance(answer, Failure):
                # An answer that is no job says nothing of the job: it is paid for, so ask on,
                # unless the upstream keeps saying that it knows of none.
                lost = lost + 1 if answer.http_status in {404, 410} else 0
                if lost >= _LOST_POLLS:
                    return await self._fail(service, attempt, replace(answer, rule="job:lost"))
            elif answer.state in {JobState.COMPLETED, JobState.FAILED}:
                return await self._ended(service, attempt, answer)

    async def _ended(self, service: Service, attempt: Attempt, job: Job) -> Evidence:
        if job.failure is not None:
            return await self._fail(service, attempt, job.failure)
        failure = await self._delivery.check(service, attempt.order, job)
        if failure is not None:
            return await self._fail(service, attempt, failure, delivered=True)
        now = self._clock.now()
        await self._history.attempts.deliver(attempt.id, now)
        await self._history.ledger.settle(attempt.entry)
        return await self._report(service, None, now - attempt.intended_at)

    async def _reconcile(self, service: Service, attempt: Attempt, failure: Failure) -> Evidence:
        """Find out whether an attempt in doubt was accepted; it is never sent again."""
        adapter = protocol(service.upstream)
        request = adapter.listing()
        jobs: tuple[Job, ...] | Failure = failure
        for pause in _SEARCHES if request is not None else ():
            await self._clock.sleep(pause)
            assert request is not None  # noqa: S101  # the loop above is empty without one
            jobs = adapter.read_listing(await self._transport.send(request, service.upstream))
            if isinstance(jobs, Failure):
                continue
            mine = next((job for job in jobs if job.prompt == attempt.order.prompt), None)
            if mine is not None:
                attempt = await self._accept(service, attempt, mine)
                return await self._accepted(service, attempt, mine)
        if not isinstance(jobs, Failure) and any(job.prompt for job in jobs):
            # The list shows prompts and ours is not among them: it was never accepted.
            return await self._refused(service, attempt, failure)
        return await self._fail(service, attempt, failure)

    async def _refused(self, service: Service, attempt: Attempt, failure: Failure) -> Evidence:
        await self._history.attempts.refuse(attempt.id, failure, self._clock.now())
        await self._history.ledger.release(attempt.entry)
        return await self._report(service, failure, None)

    async def _fail(
        self, service: Service, attempt: Attempt, failure: Failure, *, delivered: bool = False
    ) -> Evidence:
        was_accepted = attempt.state is AttemptState.ACCEPTED
        await self._history.attempts.fail(attempt.id, failure, self._clock.now())
        free = was_accepted and not delivered and service.upstream.bills is Bills.DELIVERIES
        if free and failure.rule != _STALLED_RULE:
            await self._history.ledger.release(attempt.entry)
        else:  # it was paid for, or may have been
            await self._history.ledger.settle(attempt.entry)
        return await self._report(service, failure, None)

    async def _report(
        self, service: Service, failure: Failure | None, took: timedelta | None
    ) -> Evidence:
        evidence = Evidence(
            service=service.id,
            at=self._clock.now(),
            source=Source.GENERATION,
            failure=failure,
            latency=took,
        )
        await self._board.report(evidence)
        log.info(
            "probe.ended",
            service=service.id,
            failure=None if failure is None else failure.kind,
            rule=None if failure is None else failure.rule,
            seconds=None if took is None else round(took.total_seconds(), 1),
        )
        return evidence


_STALLED_RULE = "job:stalled"


def _stalled(waited: timedelta) -> Failure:
    return Failure(
        kind=FailureKind.DEGRADED,
        fault=Fault.UPSTREAM,
        rule=_STALLED_RULE,
        text=f"accepted, and no video after {round(waited.total_seconds())} s",
    )


def _marked(order: Order, attempt: AttemptId) -> Order:
    """Return the order with a mark in its prompt by which its job is found in a list of jobs."""
    return replace(order, prompt=f"{order.prompt} (take {attempt[:8]})")
