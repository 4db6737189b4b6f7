"""Prints the models of the fact sheets: what lives, until when, at what cost, by which key."""

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal

from tallylight.catalogue.samples import Sample
from tallylight.catalogue.services import ShutdownPrecision
from tallylight.cli.shared import print_error, print_line, print_table
from tallylight.config.sheet_list import ListedModel
from tallylight.config.usability import Obstacle, Usability
from tallylight.i18n import Translator
from tallylight.i18n.prices import format_amount
from tallylight.model.order import Medium
from tallylight.model.status import Access

_SOON_DAYS = 90
_CENT, _SMALLEST = Decimal("0.01"), Decimal("0.0001")


def print_models(
    shown: Sequence[ListedModel], known: Collection[ListedModel], to: Translator
) -> None:
    """Print a table of the video models and one of the image models.

    What the whole catalogue has beside them, and which keys are missing, goes to standard error.
    """
    videos = [each for each in shown if each.sheet.medium is Medium.VIDEO]
    images = [each for each in shown if each.sheet.medium is Medium.IMAGE]
    if videos or not images:
        _print_part(videos, to.gettext("8 s at 720p"), to)
    if videos and images:
        print_line()
    if images:
        _print_part(images, to.gettext("1 at 1024x1024"), to)
    for line in _footer(shown, known, to):
        print_error(line)


def _print_part(models: Sequence[ListedModel], sample: str, to: Translator) -> None:
    headings = (to.gettext("Model"), sample, to.gettext("Ends"), to.gettext("Usable now"))
    rows = [_cells(each, to) for each in models]
    longest = max((len(row[0]) for row in rows), default=0)
    print_table(headings, rows, least_width=longest)


def _cells(listed: ListedModel, to: Translator) -> tuple[str, ...]:
    name = listed.sheet.id
    if listed.sheet.access is Access.REVERSE:
        name = to.gettext("%s (reverse)") % name
    return name, _cost(listed.sample, to), _end(listed, to), _use(listed.usability, to)


def _cost(sample: Sample, to: Translator) -> str:
    """Return what the sample costs, and in what it differs from the heading."""
    if sample.cost is None:
        return to.gettext("price unknown")
    step = _CENT if sample.cost >= _CENT else _SMALLEST
    cost = format_amount(sample.cost.quantize(step), to)
    notes = ", ".join(_notes(sample, to))
    return to.gettext("%(cost)s (%(notes)s)") % {"cost": cost, "notes": notes} if notes else cost


def _notes(sample: Sample, to: Translator) -> Iterator[str]:
    order = sample.order
    if not sample.has_asked_length:
        yield to.gettext("%d s") % (order.seconds or 0)
    if order.frame is not None and not sample.has_asked_class:
        yield order.frame.resolution
    if order.audio is False:
        yield to.gettext("silent")
    if order.quality:
        yield order.quality


def _end(listed: ListedModel, to: Translator) -> str:
    sheet = listed.sheet
    if sheet.shutdown_at is None:
        return ""
    if listed.is_retired:
        return to.gettext("retired %s") % sheet.shutdown_at.isoformat()
    match sheet.shutdown_precision:
        case ShutdownPrecision.NOT_BEFORE:
            return to.gettext("%s or later") % sheet.shutdown_at.isoformat()
        case ShutdownPrecision.CONFLICTING if sheet.earlier_shutdown_at is not None:
            return to.gettext("%s or later") % sheet.earlier_shutdown_at.isoformat()
        case _:
            return to.gettext("%(day)s (%(left)d d)") % {
                "day": sheet.shutdown_at.isoformat(),
                "left": listed.days_left,
            }


def _use(found: Usability, to: Translator) -> str:  # noqa: PLR0911  # one for each obstacle
    """Return whether a model can be used now: by which key, or what is missing."""
    match found.obstacle:
        case None:
            return to.gettext("yes: %s") % found.key_variable
        case Obstacle.KEY:
            return to.gettext("no key")
        case Obstacle.SECRETS:
            return to.gettext("half a key")
        case Obstacle.PROTOCOL:
            return to.gettext("not spoken")
        case Obstacle.NOT_PUBLIC | Obstacle.WORDING:
            return to.gettext("not public")
        case Obstacle.RETIRED:
            return ""
        case Obstacle.FILE | Obstacle.ADDRESS:
            return to.gettext("by a file")


def long_use_text(found: Usability, to: Translator) -> str:
    """Return whether a model can be used now, with the variable to set or the reason why not."""
    text = _use(found, to)
    if found.obstacle in {None, Obstacle.RETIRED} or not found.detail:
        return text
    return to.gettext("%(text)s: %(detail)s") % {"text": text, "detail": found.detail}


def _footer(
    shown: Sequence[ListedModel], known: Collection[ListedModel], to: Translator
) -> Iterator[str]:
    live = [each for each in shown if not each.is_retired]
    yield to.ngettext("%d live model", "%d live models", len(live)) % len(live)
    soon = sum(0 < (each.days_left or 0) <= _SOON_DAYS for each in live)
    if soon:
        yield to.ngettext("%d ends within 90 days", "%d end within 90 days", soon) % soon
    usable = [each for each in shown if each.usability.is_usable]
    if usable:
        variables = ", ".join(dict.fromkeys(each.usability.key_variable for each in usable))
        text = to.ngettext(
            "%(count)d can be used now, by %(variables)s",
            "%(count)d can be used now, by %(variables)s",
            len(usable),
        )
        yield text % {"count": len(usable), "variables": variables}
    missing = {
        each.sheet.provider: each.usability.detail
        for each in shown
        if each.usability.obstacle in {Obstacle.KEY, Obstacle.SECRETS}
    }
    if missing:
        keys = ", ".join(f"{provider} {variable}" for provider, variable in missing.items())
        yield to.gettext("Keys that are not set: %s") % keys
    if left_out := len(known) - len(shown):
        yield to.ngettext("%d more is left out", "%d more are left out", left_out) % left_out
