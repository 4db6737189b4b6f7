"""The evidence and the fact sheet of one service, as its page shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from tallylight.catalogue.services import FactSheet, ShutdownPrecision
from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_day, format_duration
from tallylight.i18n.labels import failure_label, source_label, status_label
from tallylight.i18n.prices import format_price
from tallylight.model.evidence import Evidence, Source
from tallylight.status.views.timestamps import Timestamp, timestamp


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One piece of evidence as a table row.

    Args:
        outcome: "good", "bad" or "neutral" for the service.
        result: The kind of failure or the reported status in words.
        upstream_text: The upstream's message, or "".
        latency: The response time or the job's duration, or "".
    """

    at: Timestamp
    source: str
    outcome: str
    symbol: str
    result: str
    upstream_text: str
    latency: str


@dataclass(frozen=True, slots=True)
class SheetView:
    """A fact sheet as text; its lines are values by label."""

    title: str
    lines: Mapping[str, str]
    notes: str
    sources: tuple[str, ...]
    as_of: str


def evidence_views(
    pieces: Sequence[Evidence], now: datetime, to: Translator
) -> tuple[EvidenceView, ...]:
    """Return evidence as table rows."""
    return tuple(_evidence_view(piece, now, to) for piece in pieces)


def evidence_outcome(piece: Evidence) -> str:
    """Return "good", "bad" or "neutral": what a piece of evidence says about its service."""
    return "good" if piece.is_good else "bad" if piece.is_bad else "neutral"


def sheet_view(sheet: FactSheet, today: date, to: Translator) -> SheetView:
    """Return a fact sheet as text, without the unknown facts."""
    seconds = to.gettext(", ").join(str(length) for length in sheet.lengths)
    lines = {
        to.gettext("Price"): format_price(sheet.price, to),
        to.gettext("Lengths"): to.gettext("%s s") % seconds if seconds else "",
        to.gettext("Sizes"): to.gettext(", ").join(size.replace("x", "×") for size in sheet.sizes),
        to.gettext("Shutdown announced"): format_day(sheet.announced_at, to)
        if sheet.announced_at
        else "",
        to.gettext("Shutdown"): _shutdown(sheet, to),
        to.gettext("Replacement"): _replacement(sheet, today, to),
    }
    return SheetView(
        title=sheet.title,
        lines={label: value for label, value in lines.items() if value},
        notes=sheet.notes,
        sources=sheet.sources,
        as_of=format_day(sheet.as_of, to),
    )


def _evidence_view(piece: Evidence, now: datetime, to: Translator) -> EvidenceView:
    outcome = evidence_outcome(piece)
    if piece.failure is not None:
        result = failure_label(piece.failure.kind, to)
    elif piece.claimed_status is not None:
        result = status_label(piece.claimed_status, to)
    else:
        result = to.gettext("Good") if piece.is_good else ""
    return EvidenceView(
        at=timestamp(piece.at, now, to),
        source=source_label(piece.source, to),
        outcome=outcome,
        symbol={"good": "✓", "bad": "✕", "neutral": "–"}[outcome],
        result=result,
        upstream_text=_upstream_text(piece),
        latency="" if piece.latency is None else format_duration(piece.latency, to),
    )


def _upstream_text(piece: Evidence) -> str:
    if piece.source is Source.RETRACTION:  # its note is a state of ours
        return ""
    return (piece.failure.text if piece.failure is not None else "") or piece.note


def _replacement(sheet: FactSheet, today: date, to: Translator) -> str:
    successor = sheet.replacement_on(today)
    if successor is None:
        return ""
    if successor.is_retired(today):
        return to.gettext("%s, which was shut down as well") % successor.model
    return successor.model


def _shutdown(sheet: FactSheet, to: Translator) -> str:  # noqa: PLR0911  # one for each precision
    if sheet.shutdown_at is None:
        return ""
    day = format_day(sheet.shutdown_at, to)
    match sheet.shutdown_precision:
        case ShutdownPrecision.EXACT:
            return day
        case ShutdownPrecision.TOLD:
            return to.gettext("%s, as its API says") % day
        case ShutdownPrecision.BY:
            return to.gettext("%s at the latest") % day
        case ShutdownPrecision.NOT_BEFORE:
            return to.gettext("%s at the earliest") % day
        case ShutdownPrecision.CONFLICTING if sheet.earlier_shutdown_at is not None:
            days = {"earlier": format_day(sheet.earlier_shutdown_at, to), "later": day}
            return to.gettext("%(earlier)s or %(later)s; sources disagree") % days
        case ShutdownPrecision.CONFLICTING:
            return to.gettext("%s at the latest; sources disagree") % day
