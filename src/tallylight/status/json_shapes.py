"""Builds the responses of our JSON API; pure."""

from collections.abc import Sequence
from dataclasses import asdict

from tallylight.catalogue.services import FactSheet
from tallylight.i18n import Translator
from tallylight.i18n.prices import format_price
from tallylight.model.evidence import Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import LedgerEntry
from tallylight.status.advice import Advice, AdviceRow
from tallylight.status.models import (
    AdviceResponse,
    AdviceRowResponse,
    BudgetUsageResponse,
    EvidenceResponse,
    ExcludedServiceResponse,
    FactSheetResponse,
    FailureResponse,
    LedgerEntryResponse,
    OfficialFeedResponse,
    RankedServiceResponse,
    RecommendationResponse,
    ServiceResponse,
    UpcomingProbeResponse,
    UptimeResponse,
)
from tallylight.status.recommendation import Recommendation
from tallylight.status.views.probes import BudgetUsage, UpcomingProbe
from tallylight.status.views.recommendation import (
    exclusion_sentence,
    policy_description,
    ranking_sentence,
)
from tallylight.status.views.services import ServiceRow
from tallylight.status.views.uptimes import UptimeView


def service_response(row: ServiceRow, uptime: UptimeView) -> ServiceResponse:
    """Return one service with its uptime over the last 90 days."""
    service, verdict, feed = row.service, row.verdict, row.feed
    latency, job_time = row.latency, row.job_time
    return ServiceResponse(
        id=service.id,
        name=service.name,
        status=verdict.status,
        lamp=verdict.status.icon,
        since=verdict.since,
        confidence=round(verdict.confidence, 4),
        reasons=row.reasons,
        blocked=verdict.blocked,
        access=service.access,
        provider=service.upstream.provider,
        model=service.model,
        official_feed=None
        if feed is None or feed.claimed_status is None
        else OfficialFeedResponse(status=feed.claimed_status, note=feed.note, at=feed.at),
        latency_ms=None if latency is None else round(latency.total_seconds() * 1000),
        job_seconds=None if job_time is None else job_time.total_seconds(),
        price=row.price,
        uptime=uptime_response(service.id, uptime),
        shutdown_at=service.sheet.shutdown_at,
        replacement=service.sheet.replacement,
        checked_at=row.checked_at,
    )


def uptime_response(id_: ServiceId, uptime: UptimeView) -> UptimeResponse:
    """Return the uptime of one service."""
    return UptimeResponse(id=id_, **asdict(uptime))  # label, coverage_text and interval are ignored


def fact_sheet_response(sheet: FactSheet, to: Translator) -> FactSheetResponse:
    """Return a fact sheet."""
    return FactSheetResponse(
        title=sheet.title,
        lengths=list(sheet.lengths),
        sizes=list(sheet.sizes),
        price=format_price(sheet.price, to),
        announced_at=sheet.announced_at,
        shutdown_at=sheet.shutdown_at,
        shutdown_precision=sheet.shutdown_precision.value,
        replacement=sheet.replacement,
        notes=sheet.notes,
        sources=list(sheet.sources),
        as_of=sheet.as_of,
    )


def upcoming_probe_responses(probes: Sequence[UpcomingProbe]) -> list[UpcomingProbeResponse]:
    """Return the upcoming probes."""
    return [UpcomingProbeResponse(depth=each.depth, at=each.at) for each in probes]


def budget_usage_response(usage: BudgetUsage) -> BudgetUsageResponse:
    """Return one limit and its use."""
    return BudgetUsageResponse(
        scope=usage.scope,
        window=usage.window,
        limit_usd=float(usage.limit),
        spent_usd=float(usage.spent),
    )


def evidence_response(piece: Evidence) -> EvidenceResponse:
    """Return one observation."""
    failure = piece.failure
    wait = None if failure is None else failure.retry_after
    return EvidenceResponse(
        service=piece.service,
        at=piece.at,
        source=piece.source,
        good=piece.is_good,
        failure=None
        if failure is None
        else FailureResponse(
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


def ledger_entry_response(entry: LedgerEntry) -> LedgerEntryResponse:
    """Return one entry of the spending ledger."""
    return LedgerEntryResponse(
        id=entry.id,
        service=entry.service,
        purpose=entry.purpose,
        note=entry.note,
        state=entry.state,
        estimate_usd=float(entry.estimate),
        amount_usd=float(entry.amount),
        at=entry.at,
    )


def advice_response(advice: Advice) -> AdviceResponse:
    """Return what budgets buy."""
    return AdviceResponse(
        state=advice.state,
        own_usd_per_day=None if advice.own_budget is None else float(advice.own_budget),
        priced=advice.priced,
        unpriced=advice.unpriced,
        rehearsed=advice.rehearsed_services,
        days=advice.days,
        outages=advice.outages,
        rows=[_advice_row_response(row) for row in advice.rows],
        plain_script=None
        if advice.plain_script is None
        else _advice_row_response(advice.plain_script),
    )


def _advice_row_response(row: AdviceRow) -> AdviceRowResponse:
    delay = row.median_delay
    return AdviceRowResponse(
        budget_usd_per_day=None if row.budget is None else float(row.budget),
        spend_usd_per_day=round(row.spend, 4),
        seen_share=round(row.seen_share, 4),
        median_delay_minutes=None if delay is None else round(delay, 2),
        wrong_share=round(row.wrong_share, 6),
    )


def recommendation_response(
    recommendation: Recommendation, to: Translator
) -> RecommendationResponse:
    """Return the services in the order in which the gateway would try them."""
    return RecommendationResponse(
        policy=recommendation.query.policy,
        meaning=policy_description(recommendation.query.policy, to),
        model=recommendation.query.model,
        ranked=[
            RankedServiceResponse(
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
                delivery=round(each.success_probability, 4),
                why=[ranking_sentence(code, to) for code in each.reason_codes],
            )
            for each in recommendation.ranked
        ],
        left_out=[
            ExcludedServiceResponse(
                id=each.service.id,
                name=each.service.name,
                status=each.verdict.status,
                reason=each.reason,
                why=exclusion_sentence(each, to),
            )
            for each in recommendation.excluded
        ],
        delivery=round(recommendation.success_probability, 6),
    )
