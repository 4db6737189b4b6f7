"""A recommendation as text: table rows, sentences, and the choices of its form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tallylight.i18n import Translator, gettext_noop
from tallylight.i18n.formatting import format_duration, format_percent
from tallylight.i18n.labels import (
    access_label,
    blocked_message,
    status_description,
    status_label,
)
from tallylight.i18n.prices import format_usd
from tallylight.model.status import Access, Status
from tallylight.model.verdict import Block
from tallylight.status.recommendation import ExcludedService, RankedService, Recommendation

_POLICY_LABELS: Mapping[str, str] = {
    "": gettext_noop("Route order"),
    "production": gettext_noop("Production"),
    "commercial": gettext_noop("Commercial work"),
    "development": gettext_noop("Development"),
    "personal": gettext_noop("Personal use"),
    "high_volume": gettext_noop("High volume"),
    "budget": gettext_noop("Small budget"),
    "official": gettext_noop("Official first"),
    "reverse": gettext_noop("Reverse first"),
    "cheapest": gettext_noop("Cheapest"),
    "fastest": gettext_noop("Fastest"),
    "most_reliable": gettext_noop("Most reliable"),
}

_POLICY_DESCRIPTIONS: Mapping[str, str] = {
    "": gettext_noop("Services are tried in the order in which the route lists them."),
    "production": gettext_noop(
        "Reverse services are excluded. An hour of waiting counts as $30, a failed attempt as "
        "$2. Services with a success rate below 80% are ranked last."
    ),
    "commercial": gettext_noop(
        "Official services first, reverse ones as a fallback. An hour of waiting counts as "
        "$12, a failed attempt as $0.50. Services with a success rate below 80% are ranked "
        "last."
    ),
    "development": gettext_noop(
        "All kinds of access are equal. An hour of waiting counts as $6, a failed attempt as $0.05."
    ),
    "personal": gettext_noop(
        "All kinds of access are equal. An hour of waiting counts as $2, a failed attempt as $0.02."
    ),
    "high_volume": gettext_noop(
        "All kinds of access are equal, and requests are spread widely. An hour of waiting "
        "counts as $0.50, a failed attempt as $0.10. Services with a success rate below 50% "
        "are ranked last."
    ),
    "budget": gettext_noop("All kinds of access are equal. An hour of waiting counts as $0.10."),
    "official": gettext_noop(
        "Official services first. An hour of waiting counts as $12, a failed attempt as $0.50."
    ),
    "reverse": gettext_noop(
        "Reverse services first. An hour of waiting counts as $6, a failed attempt as $0.05."
    ),
    "cheapest": gettext_noop("Only the cost per delivered video counts."),
    "fastest": gettext_noop("Only the expected time to a delivered video counts."),
    "most_reliable": gettext_noop("Only the success rate counts."),
}

_RANKING_SENTENCES: Mapping[str, str] = {
    "explicit": gettext_noop("The route sets this order."),
    "preferred": gettext_noop("This kind of access is preferred."),
    "tie": gettext_noop("Its score is close to its neighbours': requests are spread among them."),
    "canary": gettext_noop("It gets a small share of requests as a trial."),
    "recovering": gettext_noop("Recovering: only a few requests try it first."),
    "unknown": gettext_noop("No recent data: the defaults for its kind of access are used."),
    "failing": gettext_noop("Its latest jobs all failed: it is tried last."),
    "unreliable": gettext_noop("Its success rate is below the minimum of this purpose."),
}


@dataclass(frozen=True, slots=True)
class RankedServiceView:
    """A ranked service as a table row."""

    id: str
    name: str
    status: Status
    status_label: str
    access: Access
    access_label: str
    request: str
    price: str
    cost_per_delivered: str
    expected_time: str
    success_rate: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExcludedServiceView:
    """An excluded service and the reason."""

    id: str
    name: str
    status: Status
    status_label: str
    reason: str


@dataclass(frozen=True, slots=True)
class RecommendationView:
    """A recommendation as text.

    Args:
        rows: The ranked services, the best first.
        combined_success: The success rate if all are tried in turn, or "" if none is ranked.
    """

    purpose: str
    policy_description: str
    rows: tuple[RankedServiceView, ...]
    excluded: tuple[ExcludedServiceView, ...]
    combined_success: str


@dataclass(frozen=True, slots=True)
class PolicyOptionView:
    """One choice of the form."""

    value: str
    label: str
    is_selected: bool


def recommendation_view(recommendation: Recommendation, to: Translator) -> RecommendationView:
    """Return a recommendation in a reader's language."""
    combined_success = to.gettext(
        "If all are tried in turn, the request succeeds with a probability of %s."
    )
    return RecommendationView(
        purpose=policy_label(recommendation.query.policy, to),
        policy_description=policy_description(recommendation.query.policy, to),
        rows=tuple(_row(each, to) for each in recommendation.ranked),
        excluded=tuple(
            ExcludedServiceView(
                each.service.id,
                each.service.name,
                each.verdict.status,
                status_label(each.verdict.status, to),
                exclusion_sentence(each, to),
            )
            for each in recommendation.excluded
        ),
        combined_success=combined_success % format_percent(recommendation.success_probability, to)
        if recommendation.ranked
        else "",
    )


def policy_options(
    policies: Sequence[str], selected: str, to: Translator
) -> list[PolicyOptionView]:
    """Return the presets and preferences as choices."""
    return [PolicyOptionView(each, policy_label(each, to), each == selected) for each in policies]


def _row(each: RankedService, to: Translator) -> RankedServiceView:
    service, verdict = each.service, each.verdict
    unknown = to.gettext("price unknown")
    return RankedServiceView(
        id=service.id,
        name=service.name,
        status=verdict.status,
        status_label=status_label(verdict.status, to),
        access=service.access,
        access_label=access_label(service.access, to),
        request=to.gettext("%(seconds)s s, %(size)s")
        % {"seconds": each.seconds, "size": each.size.replace("x", "×")},
        price=unknown if each.cost is None else format_usd(each.cost),
        cost_per_delivered=unknown
        if each.expected_cost is None
        else format_usd(round(each.expected_cost, 4)),
        expected_time=format_duration(each.expected_time, to),
        success_rate=format_percent(each.success_probability, to),
        reasons=tuple(ranking_sentence(code, to) for code in each.reason_codes),
    )


def ranking_sentence(code: str, to: Translator) -> str:
    """Return what ranks a service, beside its price, time and success rate."""
    return to.gettext(_RANKING_SENTENCES[code])


def exclusion_sentence(each: ExcludedService, to: Translator) -> str:
    """Return why a service is excluded."""
    match each.reason:
        case "capability" if each.allowed:
            sentence = to.gettext("It does not support %(param)s %(asked)s, only %(allowed)s.")
            return sentence % {
                "param": each.param,
                "asked": each.requested,
                "allowed": each.allowed,
            }
        case "capability":
            return to.gettext("It does not accept %s.") % each.param
        case "retired" | "suspended" | "maintenance":
            return status_description(Status(each.reason), to)
        case "blocked":
            return blocked_message(Block(each.requested), to)
        case "policy":
            access = access_label(Access(each.requested), to)
            return to.gettext("This purpose excludes this kind of access: %s.") % access
        case "circuit_open":
            return to.gettext("It asked for a pause in requests.")
        case _:
            raise ValueError(f"no sentence for {each.reason}")


def policy_label(policy: str, to: Translator) -> str:
    """Return the name of a preset or preference; "" means that the route sets the order."""
    return to.gettext(_POLICY_LABELS[policy])


def policy_description(policy: str, to: Translator) -> str:
    """Return how a preset or preference ranks services."""
    return to.gettext(_POLICY_DESCRIPTIONS[policy])
