"""Verdicts that tell themselves: `str` says a sentence, a notebook shows a table of lamps."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from html import escape

from tallylight.i18n import Language, Translator, translator
from tallylight.i18n.formatting import format_moment
from tallylight.i18n.labels import verdict_label
from tallylight.i18n.reasons import reason_sentence, verdict_sentence
from tallylight.model.verdict import Transition, Verdict
from tallylight.status.recommendation import Recommendation

_CELL = 'style="text-align: left"'


@dataclass(frozen=True, slots=True)
class TranslatedVerdict(Verdict):
    """A verdict that tells itself in one language.

    Args:
        language: The language of `str` and of the table.
    """

    language: Language = field(default=Language.EN, compare=False)

    def __str__(self) -> str:
        return verdict_sentence(self, translator(self.language))

    def _repr_html_(self) -> str:
        return _lamp_table([self], self.language)


class VerdictsById(dict[str, TranslatedVerdict]):
    """The verdicts on all services by id; a notebook shows them as one table."""

    def __init__(self, verdicts: Iterable[Verdict], language: Language) -> None:
        super().__init__((str(each.service), translated(each, language)) for each in verdicts)
        self._language = language

    def _repr_html_(self) -> str:
        return _lamp_table(self.values(), self._language)


def translated(verdict: Verdict, language: Language) -> TranslatedVerdict:
    """Return a verdict that tells itself in a language."""
    return TranslatedVerdict(
        service=verdict.service,
        status=verdict.status,
        since=verdict.since,
        confidence=verdict.confidence,
        reasons=verdict.reasons,
        blocked=verdict.blocked,
        language=language,
    )


def translated_transition(transition: Transition, language: Language) -> Transition:
    """Return a transition whose verdicts tell themselves in a language."""
    return replace(
        transition,
        before=translated(transition.before, language),
        after=translated(transition.after, language),
    )


def translated_recommendation(found: Recommendation, language: Language) -> Recommendation:
    """Return a recommendation whose verdicts tell themselves in a language."""
    return replace(
        found,
        ranked=tuple(
            replace(each, verdict=translated(each.verdict, language)) for each in found.ranked
        ),
        excluded=tuple(
            replace(each, verdict=translated(each.verdict, language)) for each in found.excluded
        ),
    )


def _lamp_table(verdicts: Iterable[Verdict], language: Language) -> str:
    to = translator(language)
    headings = (
        to.gettext("State"),
        to.gettext("Service"),
        to.gettext("Since"),
        to.gettext("Reason"),
    )
    head = "".join(f"<th {_CELL}>{escape(each)}</th>" for each in headings)
    rows = "".join(f"<tr>{_cells(each, to)}</tr>" for each in verdicts)
    return f'<table lang="{language}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _cells(verdict: Verdict, to: Translator) -> str:
    texts = (
        f"{verdict.status.icon} {verdict_label(verdict, to)}",
        verdict.service,
        format_moment(verdict.since, to),
        reason_sentence(verdict.reasons[0], to),
    )
    return "".join(f"<td {_CELL}>{escape(each)}</td>" for each in texts)
