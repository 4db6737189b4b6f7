"""The paid probe: placing an order and taking it to its end, over restarts.

Money first: the estimate is reserved in the ledger, then the attempt is written down, and only then
is anything sent, once. `follow` is re-entrant: it takes an attempt to its end from whatever the
tables say, so that a killed process picks its jobs up and pays for none twice.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.model.attempt import Attempt, AttemptState
from tallylight.model.evidence import Depth, Evidence, Failure, FailureKind, Fault
from tallylight.model.ids import AttemptId, ServiceId
from tallylight.model.ledger import Purpose
from tallylight.model.money import Budget
from tallylight.probes.estimates import estimated_cost
from tallylight.probes.poll import ProbePoller
from tallylight.probes.settlement import ProbeOutcome, ProbeSettlement
from tallylight.storage.database import Storage
from tallylight.upstreams.acceptance import Acceptance, acceptance, acceptance_of_stream
from tallylight.upstreams.messages import Job, Reply, Request
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport

log = structlog.get_logger()

PROBE_CREATE_TIMEOUT = timedelta(minutes=2)
"""How long a create may take to be answered, whatever the limit of other calls: some relays answer
once their own upstream has, and each create that is given up leaves a doubt that costs money."""

_INTERRUPTED = Failure(
    kind=FailureKind.UNKNOWN,
    fault=Fault.OURS,
    rule="probe:interrupted",
    text="our own restart cut the answer off; nobody knows what became of the job",
)

_NAMELESS = Failure(
    kind=FailureKind.DEGRADED,
    fault=Fault.UPSTREAM,
    rule="job:nameless",
    text="accepted without an id by which the job could be asked for",
)


@dataclass(frozen=True, slots=True)
class ProbeHistory:
    """What the history knows of a service's paid probes.

    Args:
        placed_at: When the newest was placed, None if none was.
        off: Depths of free probes that once started a job.
    """

    last_intended_at: datetime | None = None
    disabled_depths: frozenset[Depth] = frozenset()


class PaidProbeRunner:
    """Places generation probes and follows them.

    Args:
        total_budget: Returns the spending limit of all probes together.
        patience: How long a create may take to be answered.
    """

    def __init__(  # noqa: PLR0913  # the rooms that it ties together
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
        self._following = ProbePoller(transport, clock)
        self._settling = ProbeSettlement(board, history, clock)
        self._patience = patience
        self._total_budget = total_budget

    @property
    def total_budget(self) -> Budget:
        """Return the spending limit of all probes together."""
        return self._total_budget()

    async def prepare(self, service: Service) -> Attempt:
        """Set the money for a video aside and write its order down; nothing is sent yet.

        Raises:
            BudgetError: if that could exceed a budget.
            ValueError: if the service has no order or no price to probe with.
            StorageError: if the database is away.
        """
        cost, order = estimated_cost(service), service.probe_order
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
            # The mark by which the job is found in a list of jobs.
            order=replace(order, prompt=f"{order.prompt} (take {id_[:8]})"),
            model=service.model,
            entry=entry,
            intended_at=now,
        )
        await self._history.attempts.create(attempt)
        return attempt

    async def run(self, service: Service, attempt: Attempt) -> Evidence:
        """Send what was placed, the only time, and take it to its end."""
        adapter = adapter_for(service.upstream)
        request = adapter.create(attempt.order, attempt.model)
        if adapter.streams:
            return await self._stream(service, attempt, request)
        patient = replace(service.upstream, timeout=max(service.upstream.timeout, self._patience))
        reply = await self._transport.send(request, patient)
        return await self._answered(service, attempt, reply, adapter.read_job(reply))

    async def open_attempts(self) -> tuple[Attempt, ...]:
        """Return the probes that a former process left under way, of services on the board."""
        return tuple(
            attempt
            for attempt in await self._history.attempts.unfinished(Purpose.PROBE)
            if attempt.service in self._board
        )

    async def resume(self, attempt: Attempt) -> Evidence:
        """Take an attempt that was left unfinished to its end; nothing is ever sent again."""
        service = self._board.service(attempt.service)
        log.info("probe.resumed", service=service.id, attempt=attempt.id, state=attempt.state)
        match attempt.state:
            case AttemptState.ACCEPTED if adapter_for(service.upstream).streams:
                # Whoever has lost the stream cannot ask again; the job may go on and be billed.
                return await self._settling.record_ended(
                    service, attempt, ProbeOutcome(_INTERRUPTED)
                )
            case AttemptState.ACCEPTED:
                ending = await self._following.poll_to_end(service, attempt, None, None)
                return await self._settling.record_ended(service, attempt, ending)
            case AttemptState.INTENDED:
                attempt = await self._settling.record_in_doubt(attempt, _INTERRUPTED.text)
            case _:
                pass
        return await self._reconcile(service, attempt, _INTERRUPTED)

    async def load_histories(self) -> Mapping[ServiceId, ProbeHistory]:
        """Return what the history knows of the paid probes of all services."""
        placed = await self._history.attempts.last_intended(Purpose.PROBE)
        billed = await self._history.ledger.unexpected_charges()
        return {
            id_: ProbeHistory(placed.get(id_), frozenset(map(Depth, billed.get(id_, ()))))
            for id_ in placed.keys() | billed.keys()
        }

    async def record_unexpected_charge(self, service: Service, depth: Depth, job: Job) -> None:
        """Record the cost of a probe that was meant to be free and started a job."""
        cost = estimated_cost(service) or Decimal(0)
        await self._history.ledger.charge(
            service.id, Purpose.UNEXPECTED_CHARGE, cost, at=self._clock.now(), note=depth.value
        )
        log.warning("probe.billed", service=service.id, depth=depth, job=job.id, cost_usd=str(cost))

    async def _answered(
        self, service: Service, attempt: Attempt, reply: Reply, outcome: Job | Failure
    ) -> Evidence:
        if isinstance(outcome, Failure):
            said = acceptance(
                reply,
                outcome,
                refuses_with_500=service.upstream.refuses_with_500,
                is_proven_not_billed=adapter_for(service.upstream).proves_not_billed(reply),
            )
            if said is Acceptance.REFUSED:
                return await self._settling.record_refused(attempt, outcome)
            attempt = await self._settling.record_in_doubt(attempt, outcome.text)
            return await self._reconcile(service, attempt, outcome)
        if not outcome.id and not outcome.state.is_terminal:
            attempt = await self._settling.record_in_doubt(attempt, _NAMELESS.text)
            return await self._reconcile(service, attempt, _NAMELESS)
        return await self._accepted(service, attempt, outcome, self._clock.now())

    async def _accepted(
        self, service: Service, attempt: Attempt, job: Job, seen_at: datetime | None
    ) -> Evidence:
        attempt = await self._settling.record_accepted(attempt, job)
        ending = await self._following.poll_to_end(service, attempt, job, seen_at)
        return await self._settling.record_ended(service, attempt, ending)

    async def _reconcile(self, service: Service, attempt: Attempt, failure: Failure) -> Evidence:
        """Find out whether an attempt in doubt was accepted; it is never sent again.

        A list that does not show it proves nothing: lists lag, lie and end. So it counts as paid.
        """
        job = await self._following.find_job(service, attempt)
        if job is None:
            return await self._settling.record_ended(service, attempt, ProbeOutcome(failure))
        seen_at = None if job.state.is_terminal else self._clock.now()
        return await self._accepted(service, attempt, job, seen_at)

    async def _stream(self, service: Service, attempt: Attempt, request: Request) -> Evidence:
        adapter = adapter_for(service.upstream)
        reader = adapter.open_stream()
        async with self._transport.stream(request, service.upstream) as answer:
            began = answer.is_open  # no longer so once it has broken off
            if began:
                async for chunk in answer:
                    job = reader.feed(chunk)
                    if job is None:
                        continue
                    if job.state.is_terminal:
                        break
                    # A refusal streams too: only progress shows that there is a job.
                    if attempt.state is AttemptState.INTENDED and job.progress is not None:
                        attempt = await self._settling.record_accepted(attempt, job)
        if not began:
            outcome = adapter.read_job(answer.reply)
            return await self._answered(service, attempt, answer.reply, outcome)
        job = reader.end(answer.reply.error)
        return await self._streamed(service, attempt, job, answer.reply.error)

    async def _streamed(self, service: Service, attempt: Attempt, job: Job, error: str) -> Evidence:
        """End an attempt whose stream has ended."""
        said = acceptance_of_stream(job, error)
        if attempt.state is AttemptState.INTENDED:
            if job.failure is not None and said is Acceptance.REFUSED:
                return await self._settling.record_refused(attempt, job.failure)
            if job.failure is not None and said is Acceptance.IN_DOUBT:
                attempt = await self._settling.record_in_doubt(attempt, job.failure.text)
                return await self._settling.record_ended(
                    service, attempt, ProbeOutcome(job.failure)
                )
            attempt = await self._settling.record_accepted(attempt, job)
        ending = await self._following.outcome_of(service, attempt, job, self._clock.now())
        if said is Acceptance.IN_DOUBT:  # broken off: the job may go on without us
            ending = replace(ending, is_proven_not_billed=False)
        return await self._settling.record_ended(service, attempt, ending)
