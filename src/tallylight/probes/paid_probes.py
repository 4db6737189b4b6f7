"""The paid probe: sends one order and follows it to its end, across restarts.

The estimated cost is reserved in the ledger, then the attempt is stored, and only then the order is
sent, once. `resume` continues an attempt from any stored state, so a process that was killed
finishes its jobs and pays for none twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import structlog

from tallylight.board import Board
from tallylight.catalogue.orders import probe_cost
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.evidence import Depth, Evidence, Failure, FailureKind, Fault
from tallylight.model.ids import AttemptId, ServiceId
from tallylight.model.ledger import Purpose
from tallylight.model.money import Budget
from tallylight.probes.poll import ProbePoller
from tallylight.probes.settlement import ProbeOutcome, ProbeSettlement
from tallylight.storage.database import Storage
from tallylight.upstreams.acceptance import Acceptance, acceptance, acceptance_of_stream
from tallylight.upstreams.messages import Job, Reply, Request
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport

log = structlog.get_logger()

PROBE_CREATE_TIMEOUT = timedelta(minutes=2)
"""Minimum time limit of a create. Some relays respond only once their own upstream has, and each
create that times out leaves an attempt in doubt, which counts as paid."""

_INTERRUPTED = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.OURS,
    rule="probe:interrupted",
    text="our own restart interrupted the response; the outcome of the job is unknown",
)

_NO_ID = Failure(
    kind=FailureKind.DEGRADED,
    fault=Fault.UPSTREAM,
    rule="job:no_id",
    text="accepted without an id to poll the job with",
)


@dataclass(frozen=True, slots=True)
class ProbeHistory:
    """The stored history of a service's paid probes.

    Args:
        last_intended_at: When the newest was sent; None if none was.
        disabled_depths: Depths of free probes that once started a job.
    """

    last_intended_at: datetime | None = None
    disabled_depths: frozenset[Depth] = frozenset()


class PaidProbeRunner:
    """Sends generation probes and follows them to their ends.

    Args:
        board: Receives the evidence.
        history: Stores attempts and costs.
        transport: Sends the requests.
        clock: The time.
        total_budget: Returns the budget of all probes together.
        patience: The minimum time limit of a create.
    """

    def __init__(  # noqa: PLR0913  # the parts that a probe needs
        self,
        board: Board,
        history: Storage,
        transport: Transport,
        clock: Clock,
        total_budget: Callable[[], Budget],
        *,
        patience: timedelta = PROBE_CREATE_TIMEOUT,
    ) -> None:
        self._board = board
        self._history = history
        self._transport = transport
        self._clock = clock
        self._poller = ProbePoller(transport, clock)
        self._settlement = ProbeSettlement(board, history, clock)
        self._patience = patience
        self._total_budget = total_budget

    @property
    def total_budget(self) -> Budget:
        """Return the spending limit of all probes together."""
        return self._total_budget()

    async def prepare(self, service: Service) -> Attempt:
        """Reserve the money for a video and store the attempt; nothing is sent yet.

        Raises:
            BudgetError: if the cost could exceed a budget.
            ValueError: if the service has no order or no price.
            StorageError: if the database is unavailable.
        """
        cost, order = probe_cost(service), service.probe_order
        if cost is None or order is None:
            raise ValueError(f"{service.id} has no price, so its generation cannot be budgeted")
        now, id_ = self._clock.now(), AttemptId(uuid4().hex)
        entry = await self._history.ledger.reserve(
            service.id,
            Purpose.PROBE,
            cost,
            budget=service.budget,
            total_budget=self.total_budget,
            at=now,
            note="generation probe",
        )
        attempt = Attempt(
            id=id_,
            service=service.id,
            purpose=Purpose.PROBE,
            # The id in the prompt identifies the job in a list of jobs.
            order=replace(order, prompt=f"{order.prompt} (take {id_[:8]})"),
            model=service.model,
            entry=entry,
            intended_at=now,
        )
        await self._history.attempts.create(attempt)
        return attempt

    async def run(self, service: Service, attempt: Attempt) -> Evidence:
        """Send a prepared attempt, once, and return its final evidence."""
        adapter = adapter_for(service.upstream)
        request = adapter.create(attempt.order, attempt.model)
        if adapter.streams:
            return await self._stream(service, attempt, request)
        patient = replace(service.upstream, timeout=max(service.upstream.timeout, self._patience))
        reply = await self._transport.send(request, patient)
        return await self._answered(service, attempt, reply, adapter.read_job(reply))

    async def open_attempts(self) -> tuple[Attempt, ...]:
        """Return the attempts of services on the board that an earlier process left unfinished."""
        return tuple(
            attempt
            for attempt in await self._history.attempts.unfinished(Purpose.PROBE)
            if attempt.service in self._board
        )

    async def resume(self, attempt: Attempt) -> Evidence:
        """Finish an unfinished attempt; the order is never sent again."""
        service = self._board.service(attempt.service)
        log.info("probe.resumed", service=service.id, attempt=attempt.id, state=attempt.state)
        match attempt.state:
            case AttemptState.ACCEPTED if adapter_for(service.upstream).streams:
                # A lost stream cannot be resumed; the job may continue and be billed.
                return await self._settlement.record_ended(
                    service, attempt, ProbeOutcome(_INTERRUPTED)
                )
            case AttemptState.ACCEPTED:
                outcome = await self._poller.poll_to_end(service, attempt, None, None)
                return await self._settlement.record_ended(service, attempt, outcome)
            case AttemptState.INTENDED:
                attempt = await self._settlement.record_in_doubt(attempt, _INTERRUPTED.text)
            case _:
                pass
        return await self._reconcile(service, attempt, _INTERRUPTED)

    async def load_histories(self) -> Mapping[ServiceId, ProbeHistory]:
        """Return the history of the paid probes of all services."""
        placed = await self._history.attempts.last_intended(Purpose.PROBE)
        billed = await self._history.ledger.unexpected_charges()
        return {
            id_: ProbeHistory(placed.get(id_), frozenset(map(Depth, billed.get(id_, ()))))
            for id_ in placed.keys() | billed.keys()
        }

    async def record_unexpected_charge(self, service: Service, depth: Depth, job: Job) -> None:
        """Record the cost of a free probe that started a job."""
        cost = probe_cost(service) or Decimal(0)
        await self._history.ledger.charge(
            service.id, Purpose.UNEXPECTED_CHARGE, cost, at=self._clock.now(), note=depth.value
        )
        log.warning("probe.billed", service=service.id, depth=depth, job=job.id, cost_usd=str(cost))

    async def _answered(
        self, service: Service, attempt: Attempt, reply: Reply, outcome: Job | Failure
    ) -> Evidence:
        if isinstance(outcome, Failure):
            result = acceptance(
                reply,
                outcome,
                refuses_with_500=service.upstream.refuses_with_500,
                is_proven_not_billed=adapter_for(service.upstream).proves_not_billed(reply),
            )
            if result is Acceptance.REFUSED:
                return await self._settlement.record_refused(attempt, outcome)
            attempt = await self._settlement.record_in_doubt(attempt, outcome.text)
            return await self._reconcile(service, attempt, outcome)
        if not outcome.id and not outcome.state.is_terminal:
            attempt = await self._settlement.record_in_doubt(attempt, _NO_ID.text)
            return await self._reconcile(service, attempt, _NO_ID)
        return await self._accepted(service, attempt, outcome, self._clock.now())

    async def _accepted(
        self, service: Service, attempt: Attempt, job: Job, seen_at: datetime | None
    ) -> Evidence:
        attempt = await self._settlement.record_accepted(attempt, job)
        outcome = await self._poller.poll_to_end(service, attempt, job, seen_at)
        return await self._settlement.record_ended(service, attempt, outcome)

    async def _reconcile(self, service: Service, attempt: Attempt, failure: Failure) -> Evidence:
        """Search for the job of an attempt in doubt; the order is never sent again.

        A list without the job proves nothing, as lists may be late or incomplete. The attempt then
        counts as paid.
        """
        job = await self._poller.find_job(service, attempt)
        if job is None:
            return await self._settlement.record_ended(service, attempt, ProbeOutcome(failure))
        seen_at = None if job.state.is_terminal else self._clock.now()
        return await self._accepted(service, attempt, job, seen_at)

    async def _stream(self, service: Service, attempt: Attempt, request: Request) -> Evidence:
        adapter = adapter_for(service.upstream)
        reader = adapter.open_stream()
        async with self._transport.stream(request, service.upstream) as answer:
            began = answer.is_open  # False later, once the stream is interrupted
            if began:
                async for chunk in answer:
                    job = reader.feed(chunk)
                    if job is None:
                        continue
                    if job.state.is_terminal:
                        break
                    # A refusal may be streamed too: only progress proves that there is a job.
                    if attempt.state is AttemptState.INTENDED and job.progress is not None:
                        attempt = await self._settlement.record_accepted(attempt, job)
        if not began:
            outcome = adapter.read_job(answer.reply)
            return await self._answered(service, attempt, answer.reply, outcome)
        job = reader.end(answer.reply.error)
        return await self._streamed(service, attempt, job, answer.reply.error)

    async def _streamed(self, service: Service, attempt: Attempt, job: Job, error: str) -> Evidence:
        """Record the end of an attempt whose stream has ended."""
        result = acceptance_of_stream(job, error)
        if attempt.state is AttemptState.INTENDED:
            if job.failure is not None and result is Acceptance.REFUSED:
                return await self._settlement.record_refused(attempt, job.failure)
            if job.failure is not None and result is Acceptance.IN_DOUBT:
                attempt = await self._settlement.record_in_doubt(attempt, job.failure.text)
                return await self._settlement.record_ended(
                    service, attempt, ProbeOutcome(job.failure)
                )
            attempt = await self._settlement.record_accepted(attempt, job)
        outcome = await self._poller.outcome_of(service, attempt, job, self._clock.now())
        if result is Acceptance.IN_DOUBT:  # the stream was interrupted: the job may continue
            outcome = replace(outcome, is_proven_not_billed=False)
        return await self._settlement.record_ended(service, attempt, outcome)
