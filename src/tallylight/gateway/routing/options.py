"""The section of the configuration that is about routes."""

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from tallylight.documents.parsers import Duration
from tallylight.documents.section import Section
from tallylight.gateway.routing.presets import Preference, Preset, RoutingPolicy
from tallylight.gateway.routing.routes import Route, Substitute, WhenInDoubt
from tallylight.model.ids import ServiceId

RouteName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]*$", max_length=100)]


def _not_empty(services: tuple[str, ...]) -> tuple[str, ...]:
    if not services:
        raise ValueError("names nobody; a route needs a service")
    return services


class RouteOptions(Section):
    """A public model name: the services that can serve it, and how it chooses among them."""

    services: Annotated[tuple[str, ...], AfterValidator(_not_empty)] = Field(
        description="Who can serve it: ids of `services`."
    )
    policy: Preset | None = Field(
        None,
        description="What its videos are made for: production, commercial, development, personal, "
        "high_volume or budget. Without it, and without the two keys below, commercial.",
    )
    prefer: Preference | None = Field(
        None,
        description="In place of a policy, one wish: official, reverse, cheapest, fastest or "
        "most_reliable.",
    )
    explicit: bool = Field(
        default=False,
        description="In place of both: the services are asked in the order in which they are "
        "written.",
    )
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default_factory=dict,
        description="By service, its share among those that are as good; 1 where none is written.",
    )
    when_in_doubt: WhenInDoubt = Field(
        WhenInDoubt.RECONCILE,
        description="What becomes of a create of which nobody knows whether it was accepted: "
        "reconcile (look for the job for a minute, then fail), wait (look until the deadline) or "
        "pay_twice (go on with the next service at once).",
    )
    substitutes: frozenset[Substitute] = Field(
        frozenset(),
        description="Fields whose nearest allowed value may stand in for the one asked for: "
        "seconds, size. Every substitution is named in the answer.",
    )
    deadline: Annotated[Duration, Field(gt=timedelta(0))] = Field(
        timedelta(minutes=30), description="How long a video may take over all its attempts."
    )
    hold: Duration | None = Field(
        None,
        description="For how long a video is held, and its caller told queued, whose services all "
        "refuse for the moment, before it fails; without it such a create is refused at once.",
    )
    attempts: int = Field(4, ge=1, le=20, description="How many attempts may be paid for.")
    content_travels: bool = Field(
        default=False,
        description="Content that one service refuses is offered to the next.",
    )
    stall_factor: float = Field(
        3.0,
        ge=1,
        description="A job counts as stalled after so many times what 19 of 20 of its service's "
        "jobs take.",
    )

    @model_validator(mode="after")
    def _has_one_ordering(self) -> "RouteOptions":
        if sum((self.policy is not None, self.prefer is not None, self.explicit)) > 1:
            raise ValueError("says its order more than once; keep policy, prefer or explicit")
        return self

    def route(self, name: str) -> Route:
        """Return the route in our own words."""
        policy: RoutingPolicy = self.policy or self.prefer or Preset.COMMERCIAL
        return Route(
            name=name,
            services=tuple(map(ServiceId, self.services)),
            policy=policy,
            explicit=self.explicit,
            weights={ServiceId(id_): weight for id_, weight in self.weights.items()},
            when_in_doubt=self.when_in_doubt,
            substitutes=self.substitutes,
            deadline=self.deadline,
            hold=self.hold or timedelta(0),
            attempts=self.attempts,
            content_travels=self.content_travels,
            stall_factor=self.stall_factor,
        )


Routes = dict[RouteName, RouteOptions]
