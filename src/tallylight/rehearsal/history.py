"""A history as our rules would have recorded it: the transitions and jobs of a rehearsal."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from tallylight.board.role import transition_between
from tallylight.model.evidence import Depth, Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.verdict import Transition, Verdict
from tallylight.rehearsal.run import MonitoredService, RehearsalOptions, RehearsalRun
from tallylight.rehearsal.world import START, JobResult, RehearsedService

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\S+[+]\d\d:\d\d")


@dataclass(slots=True)
class RehearsedHistory:
    """What was recorded about one service.

    Args:
        transitions: In the order of recording.
        jobs: The evidence of every job that ended.
        costs: The times at which a job was accepted and billed, and its price in USD.
    """

    service: ServiceId
    transitions: list[Transition] = field(default_factory=list)
    jobs: list[Evidence] = field(default_factory=list)
    costs: list[tuple[datetime, Decimal]] = field(default_factory=list)

    def ending_at(self, end: datetime, days: float) -> "RehearsedHistory":
        """Return the history of a rehearsal of so many days, moved so that it ends at a time."""
        by = end - (START + timedelta(days=days))
        return RehearsedHistory(
            self.service,
            [_moved(each, by) for each in self.transitions],
            [replace(each, at=each.at + by) for each in self.jobs],
            [(at + by, cost) for at, cost in self.costs],
        )


def rehearse_history(
    services: Iterable[RehearsedService], days: float, options: RehearsalOptions
) -> tuple[RehearsedHistory, ...]:
    """Return what our rules record about each service."""
    run = _RecordedRun(services, days, options)
    run.run()
    return tuple(run.histories.values())


class _RecordedRun(RehearsalRun):
    """Records what the board would store."""

    def __init__(
        self, services: Iterable[RehearsedService], days: float, options: RehearsalOptions
    ) -> None:
        super().__init__(services, days, options)
        ids = [each.rehearsed.id for each in self.services]
        self.histories = {id_: RehearsedHistory(id_) for id_ in ids}

    def _judge(
        self, service: MonitoredService, evidence: Evidence, depth: Depth | None, now: datetime
    ) -> None:
        before = service.state.verdict
        super()._judge(service, evidence, depth, now)
        history = self.histories[service.rehearsed.id]
        if evidence.source in {Source.GENERATION, Source.TRAFFIC}:
            history.jobs.append(evidence)
        transition = transition_between(before, service.state, now)
        if transition is not None:
            history.transitions.append(transition)

    def _push_result(
        self, service: MonitoredService, job: JobResult, source: Source, sent_at: datetime
    ) -> None:
        super()._push_result(service, job, source, sent_at)
        if job.is_accepted:
            price = Decimal(service.rehearsed.price)
            self.histories[service.rehearsed.id].costs.append((sent_at, price))


def _moved(transition: Transition, by: timedelta) -> Transition:
    return Transition(
        service=transition.service,
        at=transition.at + by,
        recorded_at=transition.recorded_at + by,
        before=_moved_verdict(transition.before, by),
        after=_moved_verdict(transition.after, by),
    )


def _moved_verdict(verdict: Verdict, by: timedelta) -> Verdict:
    reasons = tuple(
        replace(
            each,
            at=each.at + by,
            facts={name: _moved_fact(value, by) for name, value in each.facts.items()},
        )
        for each in verdict.reasons
    )
    return replace(verdict, since=verdict.since + by, reasons=reasons)


def _moved_fact(value: str | int | float, by: timedelta) -> str | int | float:  # noqa: PYI041  # as `Reason.facts` has it
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        return value
    return (datetime.fromisoformat(value) + by).isoformat()
