"""Builds the responses of our JSON API that hold texts in the reader's language; pure."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime

from tallylight.catalogue.services import FactSheet
from tallylight.i18n import Translator
from tallylight.i18n.prices import format_price
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import LedgerEntry
from tallylight.model.verdict import Incident
from tallylight.status.models import (
    BudgetUsageResponse,
    ClaimedComponentResponse,
    ClaimedEventResponse,
    ExcludedServiceResponse,
    FactSheetResponse,
    FeedTrustResponse,
    IncidentResponse,
    IncidentUpdateResponse,
    LedgerEntryResponse,
    LedgerResponse,
    OfficialFeedResponse,
    OfficialPageResponse,
    RankedServiceResponse,
    RecommendationResponse,
    ServiceHistoryResponse,
    ServiceResponse,
    UptimeResponse,
)
from tallylight.status.recommendation import Recommendation
from tallylight.status.views.claims import ClaimsView
from tallylight.status.views.probes import BudgetUsage
from tallylight.status.views.recommendation import (
    exclusion_sentence,
    policy_description,
    ranking_sentence,
)
from tallylight.status.views.services import RecordedService, ServiceRow
from tallylight.status.views.uptimes import UptimeView, UptimeWindow, uptime_view
from tallylight.verdicts.learned import learned_figures
from tallylight.verdicts.policy import Policy
from tallylight.verdicts.state import ServiceState


def service_response(row: ServiceRow, uptime: UptimeView, today: date) -> ServiceResponse:
    """Return one service with its uptime over the last 90 days."""
    service, verdict, feed = row.service, row.verdict, row.feed
    successor = service.sheet.replacement_on(today)
    latency, job_time = row.latency, row.job_time
    return ServiceResponse(
        id=service.id,
        name=service.name,
        status=verdict.status,
        lamp=verdict.status.icon,
        basis=verdict.basis,
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
        replacement="" if successor is None else successor.model,
        checked_at=row.checked_at,
    )


def feed_trust_response(state: ServiceState, policy: Policy) -> FeedTrustResponse:
    """Return how far the status page of a service is believed."""
    trust = learned_figures(state, policy).feed_trust
    return FeedTrustResponse(is_used=policy.learned_feed_trust, **asdict(trust))


def ledger_response(
    budgets: Sequence[BudgetUsage], entries: Sequence[LedgerEntry]
) -> LedgerResponse:
    """Return budgets and ledger entries."""
    return LedgerResponse(
        budgets=[BudgetUsageResponse.model_validate(budget) for budget in budgets],
        entries=[LedgerEntryResponse.model_validate(entry) for entry in entries],
    )


def official_page_response(claims: ClaimsView) -> OfficialPageResponse:
    """Return what the official status page claims."""
    return OfficialPageResponse(
        since=claims.since,
        claimed_availability=claims.claimed,
        measured_availability=claims.measured,
        components=[ClaimedComponentResponse.model_validate(each) for each in claims.components],
        planned_maintenances=[
            ClaimedEventResponse.model_validate(each) for each in claims.planned_events
        ],
        events=[ClaimedEventResponse.model_validate(each) for each in claims.past_events],
    )


def uptime_response(id_: ServiceId, uptime: UptimeView) -> UptimeResponse:
    """Return the uptime of one service."""
    return UptimeResponse(id=id_, **asdict(uptime))  # label, coverage_text and interval are ignored


def history_response(
    service: RecordedService, incidents: Sequence[Incident], now: datetime, to: Translator
) -> ServiceHistoryResponse:
    """Return the uptimes and incidents of one service."""
    uptimes = [uptime_view(service.intervals, window, now, to) for window in UptimeWindow]
    return ServiceHistoryResponse(
        id=service.id,
        name=service.name,
        removed_at=service.removed_at,
        uptimes=[uptime_response(service.id, each) for each in uptimes],
        incidents=[
            IncidentResponse(
                id=each.id,
                worst=each.worst,
                started_at=each.started_at,
                ended_at=each.ended_at,
                updates=[
                    IncidentUpdateResponse(
                        at=update.at,
                        status=update.status,
                        reasons=[reason_sentence(reason, to) for reason in update.reasons],
                    )
                    for update in each.updates
                ],
            )
            for each in incidents
        ],
    )


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
