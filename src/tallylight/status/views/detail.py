"""One service with all that is known of it, as its own page shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tallylight.catalogue.services import FactSheet, ShutdownPrecision
from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_day, format_duration
from tallylight.i18n.labels import failure_label, source_label, status_label
from tallylight.i18n.prices import format_price
from tallylight.model.evidence import Evidence
from tallylight.status.views.timestamps import Timestamp, timestamp


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One observation; `said` is "good", "bad" or "neutral", `mark` the same as a sign."""

    at: Timestamp
    source: str
    said: str
    mark: str
    finding: str
    answer: str
    latency: str


@dataclass(frozen=True, slots=True)
class SheetLine:
    """One line of a fact sheet."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class SheetView:
    """A fact sheet, ready to be shown."""

    title: str
    facts: tuple[SheetLine, ...]
    notes: str
    sources: tuple[str, ...]
    as_of: str


def evidence_views(
    pieces: Sequence[Evidence], now: datetime, to: Translator
) -> tuple[EvidenceView, ...]:
    """Return evidence as rows."""
    return tuple(_evidence(piece, now, to) for piece in pieces)


def sheet_view(sheet: FactSheet, to: Translator) -> SheetView:
    """Return a fact sheet; what is not known is left out."""
    seconds = to.gettext(", ").join(str(length) for length in sheet.lengths)
    lines = {
        to.gettext("Price"): format_price(sheet.price, to),
        to.gettext("Lengths"): to.gettext("%s s") % seconds if seconds else "",
        to.gettext("Sizes"): to.gettext(", ").join(size.replace("x", "×") for size in sheet.sizes),
        to.gettext("Shutdown announced"): format_day(sheet.announced_at, to)
        if sheet.announced_at
        else "",
        to.gettext("Shutdown"): _shutdown(sheet, to),
        to.gettext("Replacement"): sheet.replacement,
    }
    return SheetView(
        title=sheet.title,
        facts=tuple(SheetLine(label, value) for label, value in lines.items() if value),
        notes=sheet.notes,
        sources=sheet.sources,
        as_of=format_day(sheet.as_of, to),
    )


def _evidence(piece: Evidence, now: datetime, to: Translator) -> EvidenceView:
    said = "good" if piece.is_good else "bad" if piece.is_bad else "neutral"
    if piece.failure is not None:
        finding = failure_label(piece.failure.kind, to)
    elif piece.claimed_status is not None:
        finding = status_label(piece.claimed_status, to)
    else:
        finding = to.gettext("Good")
    return EvidenceView(
        at=timestamp(piece.at, now, to),
        source=source_label(piece.source, to),
        said=said,
        mark={"good": "✓", "bad": "✕", "neutral": "–"}[said],
        finding=finding,
        answer=(piece.failure.text if piece.failure is not None else "") or piece.note,
        latency="" if piece.latency is None else format_duration(piece.latency, to),
    )


def _shutdown(sheet: FactSheet, to: Translator) -> str:
    if sheet.shutdown_at is None:
        return ""
    when = format_day(sheet.shutdown_at, to)
    match sheet.shutdown_precision:
        case ShutdownPrecision.EXACT:
            return when
        case ShutdownPrecision.BY:
            return to.gettext("%s at the latest") % when
        case ShutdownPrecision.NOT_BEFORE:
            return to.gettext("%s at the earliest") % when
        case ShutdownPrecision.CONFLICTING:
            return to.gettext("%s at the latest; sources disagree") % when
