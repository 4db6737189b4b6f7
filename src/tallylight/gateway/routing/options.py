"""The configuration's section `routes`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from tallylight.documents.parsers import Duration, Money
from tallylight.documents.section import Section
from tallylight.documents.validation_messages import not_allowed_message
from tallylight.gateway.routing.presets import Preference, Preset, RoutingPolicy
from tallylight.gateway.routing.routes import Route, SpendAtMost, Substitute, WhenInDoubt
from tallylight.model.ids import ServiceId

RouteName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$", max_length=100)]


def _not_empty(services: tuple[str, ...]) -> tuple[str, ...]:
    if not services:
        raise ValueError("is empty; a route needs at least one service")
    return services


class SpendAtMostOptions(Section):
    """A limit of what second payments for one video may be expected to cost."""

    spend_at_most: Money = Field(
        description="USD. Search as with reconcile, then try the next service if the price of its "
        "job, times the upper bound of the probability that the create was accepted, is at most "
        "this much, over all attempts of a video. A service without a known price is never tried."
    )

    def setting(self) -> SpendAtMost:
        """Return the setting that these options describe."""
        return SpendAtMost(self.spend_at_most)


_WORD, _LIMIT = "a word", "a limit"  # no identifiers, which would look like keys of the file
_SPEND_AT_MOST_SCHEMA = SpendAtMostOptions.model_json_schema()


def _check_word(value: object) -> object:
    if isinstance(value, str) and value in frozenset(WhenInDoubt):
        return value
    raise ValueError(not_allowed_message(value, (*WhenInDoubt, "{spend_at_most: USD}")))


DoubtOption = Annotated[
    Annotated[WhenInDoubt, BeforeValidator(_check_word), Tag(_WORD)]
    | Annotated[SpendAtMostOptions, Tag(_LIMIT)],
    Discriminator(lambda value: _LIMIT if isinstance(value, Mapping) else _WORD),
    WithJsonSchema({"anyOf": [{"enum": list(WhenInDoubt)}, _SPEND_AT_MOST_SCHEMA]}),
]
"""What happens to a create in doubt: a word, or a limit of what that may cost."""


class RouteOptions(Section):
    """A public model name, its services, and the policy that orders them."""

    services: Annotated[tuple[str, ...], AfterValidator(_not_empty)] = Field(
        description="Ids of `services` that can serve the model."
    )
    policy: Preset | None = Field(
        None,
        description="The use of the videos, which orders the services: production, commercial, "
        "development, personal, high_volume or budget. The default, if neither `prefer` nor "
        "`explicit` is set, is commercial.",
    )
    prefer: Preference | None = Field(
        None,
        description="One criterion in place of a policy: official, reverse, cheapest, fastest or "
        "most_reliable.",
    )
    explicit: bool = Field(
        default=False,
        description="In place of both: the services are tried in the order in which they are "
        "listed.",
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="By service, its share of requests relative to the services it ties with; "
        "default 1.",
    )
    when_in_doubt: DoubtOption = Field(
        WhenInDoubt.RECONCILE,
        description="What happens to a create that may or may not have been accepted: reconcile "
        "(search for the job for a minute, then fail), wait (search until the deadline), "
        "pay_twice (try the next service at once) or a mapping with spend_at_most.",
    )
    substitutes: frozenset[Substitute] = Field(
        frozenset(),
        description="Fields for which the nearest allowed value may replace the requested one: "
        "seconds, size. The response names every substitution.",
    )
    deadline: Annotated[Duration, Field(gt=timedelta(0))] = Field(
        timedelta(minutes=30), description="Time limit of a video, over all its attempts."
    )
    hold: Duration | None = Field(
        None,
        description="How long a video waits, with status queued, while no service is available, "
        "before it fails; without this setting the create is refused at once.",
    )
    attempts: int = Field(4, ge=1, le=20, description="Maximum number of paid attempts.")
    content_travels: bool = Field(
        default=False,
        description="Submit content that one service rejected to the next.",
    )
    stall_factor: float = Field(
        3.0,
        ge=1,
        description="A job counts as stalled after this multiple of the 95th percentile of its "
        "service's job durations.",
    )

    @model_validator(mode="after")
    def _has_one_ordering(self) -> "RouteOptions":
        if sum((self.policy is not None, self.prefer is not None, self.explicit)) > 1:
            raise ValueError("sets more than one order; keep policy, prefer or explicit")
        return self

    def route(self, name: str) -> Route:
        """Return the route that these options describe."""
        policy: RoutingPolicy = self.policy or self.prefer or Preset.COMMERCIAL
        return Route(
            name=name,
            services=tuple(map(ServiceId, self.services)),
            policy=policy,
            explicit=self.explicit,
            weights={ServiceId(id_): weight for id_, weight in self.weights.items()},
            when_in_doubt=self.when_in_doubt.setting()
            if isinstance(self.when_in_doubt, SpendAtMostOptions)
            else self.when_in_doubt,
            substitutes=self.substitutes,
            deadline=self.deadline,
            hold=self.hold or timedelta(0),
            attempts=self.attempts,
            content_travels=self.content_travels,
            stall_factor=self.stall_factor,
        )


Routes = dict[RouteName, RouteOptions]
