"""Service rows and learned figures as text and as JSON, and what a round of checks adds."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

from tallylight.catalogue.pace import PaceInForce
from tallylight.i18n import Translator
from tallylight.i18n.formatting import (
    format_duration,
    format_moment_short,
    format_number,
    format_percent,
)
from tallylight.i18n.labels import depth_label
from tallylight.model.doubt import DoubtCounts, DoubtKind
from tallylight.model.evidence import Depth, Evidence
from tallylight.model.ids import ServiceId, UpstreamId
from tallylight.model.status import Status
from tallylight.model.verdict import Verdict
from tallylight.status.views.claims import AnnouncedMaintenance
from tallylight.status.views.overview import overview
from tallylight.status.views.probes import pace_json, pace_text
from tallylight.status.views.services import ServiceRow
from tallylight.verdicts.learned import LearnedFalseAlarmRate, LearnedFigures

if TYPE_CHECKING:  # or a command that probes nothing would load the prober
    from tallylight.probes.check_round import CheckResult

Paces = Mapping[ServiceId, PaceInForce]

_NO_PACES: Paces = {}

_QUIET_STATUSES = frozenset({Status.OPERATIONAL, Status.UNKNOWN})
"""Statuses that a failed probe may not change, if the failure is no fault of the upstream."""


def summary_text(rows: Iterable[ServiceRow], paces: Paces = _NO_PACES) -> str:
    """Return one line for each service, followed by its first reason and its pace if given."""
    return "\n".join(line for row in rows for line in _summary_lines(row, paces))


def detailed_text(
    rows: Iterable[ServiceRow],
    learned: Mapping[ServiceId, LearnedFigures],
    paces: Paces = _NO_PACES,
) -> str:
    """Return the summary with every reason and with the learned figures of each service."""
    return "\n".join(
        line
        for row in rows
        for line in (
            *_summary_lines(row, paces),
            *(f"   {reason}" for reason in row.reasons[1:]),
            *(f"   {line}" for line in learned_lines(learned[row.service.id], row.to)),
        )
    )


def overall_text(rows: Sequence[ServiceRow], to: Translator) -> str:
    """Return the state of all services together, as the page's headline says it."""
    whole = overview([row.weighed for row in rows], to, network_is_down=False)
    if not whole.impact:
        return whole.headline
    return to.gettext("%(one)s %(other)s") % {"one": whole.impact, "other": whole.headline}


def summary_json(rows: Iterable[ServiceRow], paces: Paces = _NO_PACES) -> list[dict[str, object]]:
    """Return the statuses with all reasons as JSON."""
    return [
        {
            "id": row.service.id,
            "name": row.service.name,
            "access": row.service.access.value,
            "status": row.status.value,
            "since": row.verdict.since.isoformat(),
            "basis": row.verdict.basis.value,
            "confidence": round(row.verdict.confidence, 4),
            "blocked": None if row.verdict.blocked is None else row.verdict.blocked.value,
            "reasons": row.reasons,
            "paid_pace": pace_json(paces.get(row.service.id)),
        }
        for row in rows
    ]


def planned_json(
    rows: Iterable[ServiceRow], announced: Sequence[AnnouncedMaintenance]
) -> list[dict[str, object]]:
    """Return the maintenances that official status pages announce for each service as JSON."""
    return [
        {
            "planned_maintenances": [
                {
                    "title": each.event.title,
                    "start": each.event.start.isoformat(),
                    "end": None if each.event.end is None else each.event.end.isoformat(),
                }
                for each in announced
                if row.service in each.services
            ]
        }
        for row in rows
    ]


def _summary_lines(row: ServiceRow, paces: Paces) -> Iterator[str]:
    service, since = row.service, format_moment_short(row.verdict.since, row.to)
    yield (
        f"{row.status.icon} {service.name} ({service.id}) · {row.status_label} · "
        + row.to.gettext("since %s") % since
    )
    yield f"   {row.reasons[0]}"
    if row.blocked_message:
        yield f"   {row.blocked_message}"
    if row.video_check:
        yield f"   {row.video_check}"
    if service.id in paces:
        yield f"   {pace_text(paces[service.id], row.to)}"


def check_passed(verdict: Verdict, results: Iterable[Evidence]) -> bool:
    """Tell whether a round of checks found no problem.

    Free probes cannot prove that videos are generated, so a service that is UNKNOWN for lack of a
    generation passes if no probe failed.
    """
    is_up = verdict.status in {Status.OPERATIONAL, Status.UNKNOWN} and verdict.blocked is None
    return is_up and all(evidence.failure is None for evidence in results)


def check_remarks(verdict: Verdict, result: "CheckResult", to: Translator) -> Iterator[str]:
    """Yield the results of a round that its verdict does not show."""
    id_ = verdict.service
    verdict_shows_failure = (
        verdict.status not in _QUIET_STATUSES or verdict.blocked is not None or verdict.needs_setup
    )
    for evidence in result.evidence:
        if evidence.failure is not None and not verdict_shows_failure:
            depth = depth_label(Depth(evidence.source), to)
            why = evidence.failure.text or evidence.failure.rule
            yield f"{id_}: {depth}: {why}"
    for depth in result.skipped_depths:
        remark = to.gettext("%(id)s: %(depth)s: skipped, because it has started a paid job before")
        yield remark % {"id": id_, "depth": depth_label(depth, to)}
    if result.is_left_out:
        remark = to.gettext(
            "%(id)s: no generation probe was sent, because the model is held to be retired. "
            "To send one all the same: %(command)s"
        )
        command = f"tallylight check {id_} --depth generation"
        yield remark % {"id": id_, "command": command}
    if result.withheld_reason:
        remark = to.gettext("%(id)s: no generation probe was sent: %(why)s")
        yield remark % {"id": id_, "why": result.withheld_reason}
    if result.unfinished_reason:
        yield f"{id_}: {result.unfinished_reason}"


def learned_lines(learned: LearnedFigures, to: Translator) -> Iterator[str]:
    """Yield a line for each figure; it says if the figure is not known yet."""
    unknown = to.gettext("not known yet")
    yield to.gettext("Background failure rate of free checks: %s") % _noise_text(learned.api, to)
    yield to.gettext("Background failure rate of jobs: %s") % _noise_text(learned.jobs, to)
    lag, usual = learned.feed_lag, learned.median_job
    delay = unknown if lag is None else format_duration(lag, to)
    yield to.gettext("Official status page reports an outage after: %s") % delay
    trust = learned.feed_trust
    yield to.gettext(
        "Official status page: right %(agreed)d times and wrong %(denied)d times when it reported "
        "trouble; believed to %(share)s"
    ) % {
        "agreed": trust.agreed,
        "denied": trust.denied,
        "share": format_percent(trust.red, to),
    }
    median = unknown if usual is None else format_duration(usual, to)
    yield to.gettext("Median job time: %s") % median


def learned_json(learned: LearnedFigures) -> dict[str, object]:
    """Return the figures as JSON."""
    return {
        "api_noise": _rate_json(learned.api),
        "job_noise": _rate_json(learned.jobs),
        "feed_lag_s": _seconds(learned.feed_lag),
        "feed_trust": asdict(learned.feed_trust),
        "usual_job_s": _seconds(learned.median_job),
    }


def doubt_rows(
    counts: Mapping[DoubtKind, DoubtCounts], to: Translator
) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
    """Return the headings and the rows of the table of doubts."""
    headings = (
        to.gettext("Upstream"),
        to.gettext("Kind of doubt"),
        to.gettext("Doubts"),
        to.gettext("Accepted"),
        to.gettext("Refused"),
        to.gettext("Unresolved"),
        to.gettext("Accepted at most"),
    )
    rows = [
        (
            kind.upstream,
            kind.rule,
            *(
                format_number(number, to)
                for number in (each.total, each.accepted, each.refused, each.unresolved)
            ),
            format_percent(each.acceptance_bound, to),
        )
        for kind, each in counts.items()
    ]
    return headings, rows


def doubts_json(
    counts: Mapping[DoubtKind, DoubtCounts], upstream: UpstreamId
) -> list[dict[str, object]]:
    """Return the doubts of one upstream as JSON."""
    return [
        {
            "kind": kind.rule,
            "count": each.total,
            "accepted": each.accepted,
            "refused": each.refused,
            "unresolved": each.unresolved,
            "accepted_at_most": round(each.acceptance_bound, 4),
        }
        for kind, each in counts.items()
        if kind.upstream == upstream
    ]


def _rate_json(rate: LearnedFalseAlarmRate) -> dict[str, object]:
    return {
        "share": rate.rate,
        "bad": rate.bad,
        "of": rate.total,
        "is_learned": rate.is_learned,
    }


def _noise_text(noise: LearnedFalseAlarmRate, to: Translator) -> str:
    text = (
        to.gettext("%(share)s, learned from %(bad)s of %(of)s")
        if noise.is_learned
        else to.gettext("%(share)s (default; %(bad)s of %(of)s so far)")
    )
    return text % {
        "share": format_percent(noise.rate, to),
        "bad": format_number(noise.bad, to),
        "of": format_number(noise.total, to),
    }


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
