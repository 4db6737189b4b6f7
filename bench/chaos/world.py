"""The worlds of the chaos bench: eight kinds of fault at each service, and a dead service."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import cycle

from tallylight.simulator.scenario import ScenarioUpstream
from tallylight.upstreams.protocol import Site
from tallylight.upstreams.protocols.registry import PROTOCOLS
from tests.protocols import ALL, scenario_of

FAILS = "accepted then failed"

FAULTS: Mapping[str, Mapping[str, object]] = {
    "429": {"kind": "refuse", "sign": "rate_limited"},
    "500": {"kind": "refuse", "http_status": 500, "body": {"error": {"message": "oops"}}},
    "500 after acceptance": {
        "kind": "refuse",
        "http_status": 500,
        "body": {"error": {"message": "oops"}},
        "accepts": True,
    },
    "503": {"kind": "refuse", "sign": "overloaded"},
    "reset after send": {"kind": "reset", "accepts": True},
    "hang after acceptance": {"kind": "hang", "accepts": True},
    FAILS: {"kind": "fail", "after": 5},
    "accepted then stalled": {"kind": "stall"},
}
"""Faults by name; in addition one service refuses connections."""

BRIEF_FAULTS = ("429", "500", "500 after acceptance", "503", "reset after send", FAILS)
"""The faults that delay no video for minutes."""

SPEED = 10.0
"""Scenario seconds per real second."""

_BILLINGS = {
    "refunding": ("openai", "refunds_failures"),
    "keeping": ("openai", "keeps_failures"),
    "relay": ("new_api", "bills_deliveries"),
    "hosted": ("vllm_omni", "bills_deliveries"),
}
_DEAD = "dead"


@dataclass(frozen=True, slots=True)
class ChaosWorld:
    """What a round runs against.

    Args:
        upstreams: Sections of the scenario by name.
        services: The same, of services.
        facts: What the configuration says of services besides.
        listing: The upstreams whose lists settle each doubt.
    """

    upstreams: Mapping[str, object]
    services: Mapping[str, Mapping[str, object]]
    listing: Collection[str]
    facts: Mapping[str, object] = field(default_factory=dict)

    def scenario(self, shares: Mapping[str, float], job_seconds: float) -> str:
        """Return the scenario, in which a dead service comes last.

        Args:
            shares: The share of the creates of each service that meets each fault, by its name.
            job_seconds: Median duration of a job in real seconds.
        """
        faults = [{"fault": {**FAULTS[name], "share": share}} for name, share in shares.items()]
        latency = [job_seconds * 0.8 * SPEED, job_seconds * 1.2 * SPEED]
        dead = _videos_upstream(_DEAD, "openai") | {"listens": False}
        services = {
            name: {**each, "latency": latency, "faults": faults}
            for name, each in self.services.items()
        }
        return json.dumps(
            {
                "title": "Chaos",
                "start": "2026-11-22T09:00:00Z",
                "seed": 4,
                "upstreams": {**self.upstreams, _DEAD: dead},
                "services": {**services, _DEAD: _videos_service(_DEAD, "refunds_failures")},
                "catalogue": {"services": self.facts},
            }
        )

    def routes(self) -> "cycle[str]":
        """Return the routes in turn; each begins with another service."""
        return cycle(f"film-{number}" for number in range(len(self.services) + 1))


def _videos_upstream(name: str, dialect: str) -> dict[str, object]:
    protocol = "openai_videos"
    return {"provider": name, "protocol": protocol, "dialect": dialect, "keys": [f"sk-{name}"]}


def _videos_service(name: str, billing: str) -> dict[str, object]:
    return {
        "name": name,
        "upstream": name,
        "model": "sora-2",
        "access": "official",
        "price": {"unit": "per_call", "rates": {"*": "0.10"}},
        "billing": billing,
        "lengths": [4, 8],
        "sizes": ["720x1280", "1280x720"],
    }


FOUR_BILLINGS = ChaosWorld(
    {name: _videos_upstream(name, dialect) for name, (dialect, _) in _BILLINGS.items()},
    {name: _videos_service(name, billing) for name, (_, billing) in _BILLINGS.items()},
    listing=frozenset({"refunding", "keeping", "hosted"}),
)
"""The Videos API in three dialects that list their jobs or do not, and bill in three ways."""


def every_protocol() -> ChaosWorld:
    """Return a world with one service of films of each protocol and dialect of the simulator."""
    every = scenario_of(*ALL)
    first = {
        (upstream.protocol, upstream.dialect): name
        for name, service in reversed(tuple(every.services.items()))
        if service.medium == "video"
        for upstream in (every.upstreams[service.upstream],)
    }
    services = {name: every.services[name] for name in first.values()}
    upstreams = {each.upstream: every.upstreams[each.upstream] for each in services.values()}
    facts = every.catalogue.services
    return ChaosWorld(
        {name: each.model_dump(mode="json", by_alias=True) for name, each in upstreams.items()},
        {name: each.model_dump(mode="json", by_alias=True) for name, each in services.items()},
        frozenset(name for name, each in upstreams.items() if _settles_doubts(each)),
        {name: facts[name] for name in services if name in facts},
    )


def _settles_doubts(upstream: ScenarioUpstream) -> bool:
    site = Site("http://127.0.0.1:9", upstream.dialect)
    return PROTOCOLS[upstream.protocol].make(site).find is not None


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits of the gateway's configuration, in seconds.

    Args:
        deadline: Of a video.
        job: Of a job, before it counts as stalled.
    """

    deadline: float
    job: float


def configuration(
    catalogue: Mapping[str, object],
    listen: str,
    database: str,
    limits: Limits,
    without: Collection[str] = (),
) -> dict[str, object]:
    """Return the configuration of a gateway.

    Args:
        catalogue: The catalogue from the simulator.
        listen: Address to listen on.
        database: URL of the database.
        limits: Its time limits.
        without: Services that this gateway does not have.
    """
    document = json.loads(json.dumps(catalogue))
    for upstream in document["upstreams"].values():
        upstream |= {"timeout": "5s", "job_timeout": f"{limits.job:g}s"}
    services = list(document["services"])
    orders = [services[first:] + services[:first] for first in range(len(services))]
    for name in without:
        del document["services"][name]
    return {
        **document,
        # Without probes no service is judged to be down: only the gateway is tested.
        "probes": {"reach": "off", "credentials": "off", "generation": "off"},
        "database": {"url": database},
        "status": {"listen": listen},
        "gateway": {
            "open": True,
            "answer_within": "3s",
            "budget": {"per_day": 100000},
            "webhooks": {
                "checks": {"url": "http://127.0.0.1:9/", "secret": f"whsec_{'QUFB' * 10}"},
            },
        },
        "routes": {
            f"film-{number}": {
                "services": [name for name in order if name not in without],
                "explicit": True,
                "deadline": f"{limits.deadline:g}s",
                "attempts": 4,
            }
            for number, order in enumerate(orders)
        },
    }
