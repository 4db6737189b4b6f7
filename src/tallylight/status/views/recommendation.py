"""A recommendation in a language: rows of a table, sentences, the words of its form."""

from collections.abc import Sequence
from dataclasses import dataclass

from tallylight.i18n import Translator
from tallylight.i18n.formatting import format_duration, format_percent
from tallylight.i18n.labels import access_label, blocked_message, status_label
from tallylight.i18n.prices import format_usd
from tallylight.model.evidence import FailureKind
from tallylight.model.status import Access, Status
from tallylight.status.recommendation import ExcludedService, RankedService, Recommendation


@dataclass(frozen=True, slots=True)
class RankedServiceView:
    """One row: everything that stands in it, as text."""

    id: str
    name: str
    status: Status
    word: str
    access: Access
    access_word: str
    asked: str
    price: str
    delivered_price: str
    time: str
    delivery: str
    why: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExcludedServiceView:
    """A service that is not asked, and why."""

    id: str
    name: str
    status: Status
    word: str
    why: str


@dataclass(frozen=True, slots=True)
class RecommendationView:
    """The whole table.

    Args:
        purpose: What it is ordered for.
        meaning: How that orders.
        rows: The best first.
        left_out: The others.
        together: How probably a video arrives, all asked in turn; "" where there is nobody.
    """

    purpose: str
    meaning: str
    rows: tuple[RankedServiceView, ...]
    left_out: tuple[ExcludedServiceView, ...]
    together: str


@dataclass(frozen=True, slots=True)
class PolicyOptionView:
    """An entry of a list to choose from."""

    value: str
    label: str
    is_chosen: bool


def recommendation_view(recommendation: Recommendation, to: Translator) -> RecommendationView:
    """Return a recommendation in a reader's language."""
    together = to.gettext("All asked in turn, a video arrives with a probability of %s.")
    return RecommendationView(
        purpose=policy_label(recommendation.query.policy, to),
        meaning=policy_description(recommendation.query.policy, to),
        rows=tuple(_row(each, to) for each in recommendation.ranked),
        left_out=tuple(
            ExcludedServiceView(
                each.service.id,
                each.service.name,
                each.verdict.status,
                status_label(each.verdict.status, to),
                exclusion_sentence(each, to),
            )
            for each in recommendation.excluded
        ),
        together=together % format_percent(recommendation.success_probability, to)
        if recommendation.ranked
        else "",
    )


def policy_options(policies: Sequence[str], chosen: str, to: Translator) -> list[PolicyOptionView]:
    """Return the presets and preferences to choose from."""
    return [PolicyOptionView(each, policy_label(each, to), each == chosen) for each in policies]


def _row(each: RankedService, to: Translator) -> RankedServiceView:
    service, verdict = each.service, each.verdict
    unknown = to.gettext("price unknown")
    return RankedServiceView(
        id=service.id,
        name=service.name,
        status=verdict.status,
        word=status_label(verdict.status, to),
        access=service.access,
        access_word=access_label(service.access, to),
        asked=to.gettext("%(seconds)s s, %(size)s")
        % {"seconds": each.seconds, "size": each.size.replace("x", "×")},
        price=unknown if each.cost is None else format_usd(each.cost),
        delivered_price=unknown
        if each.expected_cost is None
        else format_usd(round(each.expected_cost, 4)),
        time=format_duration(each.expected_time, to),
        delivery=format_percent(each.success_probability, to),
        why=tuple(ranking_sentence(code, to) for code in each.reason_codes),
    )


def ranking_sentence(code: str, to: Translator) -> str:  # noqa: PLR0911  # one sentence for each code
    """Return why a service stands where it stands, beside its price, time and delivery."""
    match code:
        case "explicit":
            return to.gettext("The route asks its services in this order.")
        case "preferred":
            return to.gettext("This kind of access goes first.")
        case "tie":
            return to.gettext("As good as its neighbours: requests are spread among them.")
        case "canary":
            return to.gettext("One of the few requests that try it.")
        case "recovering":
            return to.gettext("Recovering: only a few requests try it first.")
        case "unknown":
            return to.gettext("Nothing fresh is known of it; reckoned as usual for its kind.")
        case "failing":
            return to.gettext("Its newest jobs failed one after the other: the last resort.")
        case "unreliable":
            return to.gettext("It delivers less than this purpose asks for.")
        case _:
            raise ValueError(f"no sentence for {code}")


def exclusion_sentence(each: ExcludedService, to: Translator) -> str:  # noqa: PLR0911  # as above
    """Return why a service is not asked."""
    match each.reason:
        case "capability" if each.allowed:
            told = to.gettext("It cannot serve %(param)s %(asked)s; it takes %(allowed)s.")
            return told % {"param": each.param, "asked": each.requested, "allowed": each.allowed}
        case "capability":
            return to.gettext("It takes no %s.") % each.param
        case "retired":
            return to.gettext("It is retired.")
        case "suspended":
            return to.gettext("It is suspended.")
        case "maintenance":
            return to.gettext("It is under maintenance.")
        case "blocked":
            return blocked_message(FailureKind(each.requested), to)
        case "policy":
            access = access_label(Access(each.requested), to)
            return to.gettext("This purpose takes no such access: %s.") % access
        case "circuit_open":
            return to.gettext("It asked to be left alone for a while.")
        case _:
            raise ValueError(f"no sentence for {each.reason}")


def policy_label(policy: str, to: Translator) -> str:
    """Return the name of a preset or preference; of none, that the route says the order."""
    words = {
        "": to.gettext("As the route says"),
        "production": to.gettext("Production"),
        "commercial": to.gettext("Commercial work"),
        "development": to.gettext("Development"),
        "personal": to.gettext("Personal use"),
        "high_volume": to.gettext("High volume"),
        "budget": to.gettext("Small budget"),
        "official": to.gettext("Official first"),
        "reverse": to.gettext("Reverse first"),
        "cheapest": to.gettext("Cheapest"),
        "fastest": to.gettext("Fastest"),
        "most_reliable": to.gettext("Most reliable"),
    }
    return words[policy]


def policy_description(policy: str, to: Translator) -> str:
    """Return how a preset or preference orders, in one sentence."""
    meanings = {
        "": to.gettext("The services are asked in the order in which the route names them."),
        "production": to.gettext(
            "No reverse services. An hour of waiting counts $30, a failed attempt $2; who "
            "delivers fewer than four in five stands behind."
        ),
        "commercial": to.gettext(
            "Official services first, reverse ones as a fallback. An hour of waiting counts $12, "
            "a failed attempt $0.50; who delivers fewer than four in five stands behind."
        ),
        "development": to.gettext(
            "All services alike. An hour of waiting counts $6, a failed attempt $0.05."
        ),
        "personal": to.gettext(
            "All services alike. An hour of waiting counts $2, a failed attempt $0.02."
        ),
        "high_volume": to.gettext(
            "All services alike, and requests spread widely. An hour of waiting counts $0.50, a "
            "failed attempt $0.10; who delivers fewer than half stands behind."
        ),
        "budget": to.gettext("All services alike. An hour of waiting counts $0.10."),
        "official": to.gettext(
            "Official services first. An hour of waiting counts $12, a failed attempt $0.50."
        ),
        "reverse": to.gettext(
            "Reverse services first. An hour of waiting counts $6, a failed attempt $0.05."
        ),
        "cheapest": to.gettext("Only the price of a delivered video counts."),
        "fastest": to.gettext("Only the time to a delivered video counts."),
        "most_reliable": to.gettext("Only the probability of delivery counts."),
    }
    return meanings[policy]
