"""What stands, as text and as JSON: one lamp a line."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from tallylight.app import learned_report
from tallylight.catalogue.services import Service
from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_moment_short
from tallylight.i18n.labels import blocked_message, depth_label, status_label
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.evidence import Depth, Evidence
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Verdict
from tallylight.verdicts.learned import LearnedFigures

if TYPE_CHECKING:  # or a command that probes nothing would load all that probes
    from tallylight.probes.check_round import CheckResult

ServiceVerdict = tuple[Service, Verdict]

_QUIET_STATUSES = frozenset({Status.OPERATIONAL, Status.UNKNOWN})
"""What a service is called though a probe may just have failed, through nobody's or our fault."""


def summary_text(entries: Iterable[ServiceVerdict], to: Translator) -> str:
    """Return one line for each service, with its first reason."""
    return "\n".join(
        line for service, verdict in entries for line in _summary_lines(service, verdict, to)
    )


def detailed_text(
    entries: Iterable[ServiceVerdict], known: Mapping[ServiceId, LearnedFigures], to: Translator
) -> str:
    """Return the same with every reason, and with what was learned of each service."""
    return "\n".join(
        line
        for service, verdict in entries
        for line in (
            *_summary_lines(service, verdict, to),
            *(f"   {reason_sentence(reason, to)}" for reason in verdict.reasons[1:]),
            *(f"   {told}" for told in learned_report.learned_lines(known[service.id], to)),
        )
    )


def summary_json(entries: Iterable[ServiceVerdict], to: Translator) -> list[dict[str, object]]:
    """Return the lamps and all reasons for machines."""
    return [
        {
            "id": service.id,
            "name": service.name,
            "access": service.access.value,
            "status": verdict.status.value,
            "since": verdict.since.isoformat(),
            "confidence": round(verdict.confidence, 4),
            "blocked": None if verdict.blocked is None else verdict.blocked.value,
            "reasons": [reason_sentence(reason, to) for reason in verdict.reasons],
        }
        for service, verdict in entries
    ]


def _summary_lines(service: Service, verdict: Verdict, to: Translator) -> Iterator[str]:
    since = to.gettext("since %s") % format_moment_short(verdict.since, to)
    word = status_label(verdict.status, to)
    yield f"{verdict.status.icon} {service.name} ({service.id}) · {word} · {since}"
    yield f"   {reason_sentence(verdict.reasons[0], to)}"
    if verdict.blocked is not None:
        yield f"   {blocked_message(verdict.blocked, to)}"


def check_passed(verdict: Verdict, results: Iterable[Evidence]) -> bool:
    """Tell whether a round of probes found nothing wrong.

    Free probes cannot prove that jobs are done, so a status that is unknown for want of a
    generation passes as long as nothing failed.
    """
    alive = verdict.status in {Status.OPERATIONAL, Status.UNKNOWN} and verdict.blocked is None
    return alive and all(evidence.failure is None for evidence in results)


def check_remarks(verdict: Verdict, result: "CheckResult", to: Translator) -> Iterator[str]:
    """Yield what a round found that its verdict does not say."""
    id_ = verdict.service
    is_told = verdict.status not in _QUIET_STATUSES or verdict.blocked is not None
    for evidence in result.evidence:
        if evidence.failure is not None and not is_told:
            depth = depth_label(Depth(evidence.source), to)
            why = evidence.failure.text or evidence.failure.rule
            yield f"{id_}: {depth}: {why}"
    for depth in result.skipped_depths:
        said = to.gettext("%(id)s: %(depth)s: left out, since it has started a paid job before")
        yield said % {"id": id_, "depth": depth_label(depth, to)}
    if result.withheld_reason:
        said = to.gettext("%(id)s: no generation probe was sent: %(why)s")
        yield said % {"id": id_, "why": result.withheld_reason}
