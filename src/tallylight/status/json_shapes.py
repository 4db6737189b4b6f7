"""From our words to the shapes of our JSON API; pure."""

from collections.abc import Sequence

from tallylight.catalogue.services import FactSheet
from tallylight.i18n import Translator
from tallylight.i18n.prices import price_text
from tallylight.i18n.reasons import sentence
from tallylight.model.evidence import Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import LedgerEntry
from tallylight.status.advice import Advice, Bought
from tallylight.status.budgets import Spending
from tallylight.status.models import (
    AdviceAnswer,
    AppointmentAnswer,
    BoughtAnswer,
    BudgetAnswer,
    EntryAnswer,
    EvidenceAnswer,
    FailureAnswer,
    LeftOutAnswer,
    OfficialFeed,
    RecommendationAnswer,
    RecommendedAnswer,
    ServiceAnswer,
    SheetAnswer,
    UptimeAnswer,
)
from tallylight.status.ports import Appointment
from tallylight.status.recommendation import Recommendation
from tallylight.status.views.recommendation import (
    left_out_sentence,
    policy_meaning,
    why_sentence,
)
from tallylight.status.views.services import Facts
from tallylight.status.views.uptimes import Uptime


def service_answer(facts: Facts, uptime: Uptime, to: Translator) -> ServiceAnswer:
    """Return one service."""
    service, verdict, feed = facts.service, facts.verdict, facts.feed
    latency, job_time = facts.latency, facts.job_time
    return ServiceAnswer(
        id=service.id,
        name=service.name,
        status=verdict.status,
        lamp=verdict.status.icon,
        since=verdict.since,
        confidence=round(verdict.confidence, 4),
        reasons=[sentence(reason, to) for reason in verdict.reasons],
        blocked=verdict.blocked,
        access=service.access,
        provider=service.upstream.provider,
        model=service.model,
        official_feed=None
        if feed is None or feed.claimed_status is None
        else OfficialFeed(status=feed.claimed_status, note=feed.note, at=feed.at),
        latency_ms=None if latency is None else round(latency.total_seconds() * 1000),
        job_seconds=None if job_time is None else job_time.total_seconds(),
        price=price_text(service.sheet.price, to),
        uptime=uptime_answer(service.id, uptime),
        shutdown_at=service.sheet.shutdown_at,
        replacement=service.sheet.replacement,
        checked_at=facts.checked_at,
    )


def uptime_answer(id_: ServiceId, uptime: Uptime) -> UptimeAnswer:
    """Return the uptime of one service."""
    return UptimeAnswer(
        id=id_,
        window=uptime.window,
        uptime=uptime.uptime,
        low=uptime.low,
        high=uptime.high,
        coverage=uptime.coverage,
        degraded=uptime.degraded,
        outages=uptime.outages,
        seconds=dict(uptime.seconds),
        text=uptime.text,
    )


def sheet_answer(sheet: FactSheet, to: Translator) -> SheetAnswer:
    """Return a fact sheet."""
    return SheetAnswer(
        title=sheet.title,
        lengths=list(sheet.lengths),
        sizes=list(sheet.sizes),
        price=price_text(sheet.price, to),
        announced_at=sheet.announced_at,
        shutdown_at=sheet.shutdown_at,
        shutdown_precision=sheet.shutdown_precision.value,
        replacement=sheet.replacement,
        notes=sheet.notes,
        sources=list(sheet.sources),
        as_of=sheet.as_of,
    )


def appointment_answers(appointments: Sequence[Appointment]) -> list[AppointmentAnswer]:
    """Return the probes to come."""
    return [AppointmentAnswer(depth=each.depth, at=each.at) for each in appointments]


def budget_answer(spending: Spending) -> BudgetAnswer:
    """Return one limit and how far it is used up."""
    return BudgetAnswer(
        scope=spending.scope,
        window=spending.window,
        limit_usd=float(spending.limit),
        spent_usd=float(spending.spent),
    )


def evidence_answer(piece: Evidence) -> EvidenceAnswer:
    """Return one observation."""
    failure = piece.failure
    wait = None if failure is None else failure.retry_after
    return EvidenceAnswer(
        service=piece.service,
        at=piece.at,
        source=piece.source,
        good=piece.is_good,
        failure=None
        if failure is None
        else FailureAnswer(
            kind=failure.kind,
            fault=failure.fault,
            rule=failure.rule,
            text=failure.text,
            http_status=failure.http_status,
            retry_after_s=None if wait is None else wait.total_seconds(),
        ),
        latency_ms=None if piece.latency is None else round(piece.latency.total_seconds() * 1000),
        says=piece.claimed_status,
        until=piece.until,
        note=piece.note,
    )


def entry_answer(entry: LedgerEntry) -> EntryAnswer:
    """Return one piece of spending."""
    return EntryAnswer(
        id=entry.id,
        service=entry.service,
        purpose=entry.purpose,
        note=entry.note,
        state=entry.state,
        estimate_usd=float(entry.estimate),
        amount_usd=float(entry.amount),
        at=entry.at,
    )


def advice_answer(advice: Advice) -> AdviceAnswer:
    """Return what budgets buy."""
    return AdviceAnswer(
        state=advice.state,
        own_usd_per_day=None if advice.own is None else float(advice.own),
        priced=advice.priced,
        unpriced=advice.unpriced,
        rehearsed=advice.rehearsed,
        days=advice.days,
        outages=advice.outages,
        rows=[_bought_answer(row) for row in advice.rows],
        plain_script=None if advice.script is None else _bought_answer(advice.script),
    )


def _bought_answer(bought: Bought) -> BoughtAnswer:
    delay = bought.median_delay
    return BoughtAnswer(
        budget_usd_per_day=None if bought.budget is None else float(bought.budget),
        spend_usd_per_day=round(bought.spend, 4),
        seen_share=round(bought.seen, 4),
        median_delay_minutes=None if delay is None else round(delay, 2),
        wrong_share=round(bought.wrong, 6),
    )


def recommendation_answer(found: Recommendation, to: Translator) -> RecommendationAnswer:
    """Return the services in the order in which a request would be offered to them."""
    return RecommendationAnswer(
        policy=found.wanted.policy,
        meaning=policy_meaning(found.wanted.policy, to),
        model=found.wanted.model,
        ranked=[
            RecommendedAnswer(
                id=each.service.id,
                name=each.service.name,
                status=each.verdict.status,
                access=each.service.access,
                seconds=each.seconds,
                size=each.size,
                price_usd=None if each.cost is None else float(each.cost),
                delivered_price_usd=None
                if each.expected_cost is None
                else float(each.expected_cost),
                job_seconds=round(each.job_time.total_seconds(), 3),
                expected_seconds=round(each.expected_time.total_seconds(), 3),
                delivery=round(each.delivery, 4),
                why=[why_sentence(code, to) for code in each.why],
            )
            for each in found.ranked
        ],
        left_out=[
            LeftOutAnswer(
                id=each.service.id,
                name=each.service.name,
                status=each.verdict.status,
                reason=each.reason,
                why=left_out_sentence(each, to),
            )
            for each in found.left_out
        ],
        delivery=round(found.delivery, 6),
    )
