"""The scenario of the chaos bench: eight kinds of fault at four services, and a dead service."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import cycle

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


LISTING = frozenset({"refunding", "keeping", "hosted"})
"""The upstreams whose lists show every job."""


def scenario(shares: Mapping[str, float], job_seconds: float) -> str:
    """Return a scenario in which each fault affects its share of the creates of each service.

    Args:
        shares: Shares by name of the fault.
        job_seconds: Median duration of a job in real seconds.
    """
    faults = [{"fault": {**FAULTS[name], "share": share}} for name, share in shares.items()]
    latency = [job_seconds * 0.8 * SPEED, job_seconds * 1.2 * SPEED]
    upstreams: dict[str, object] = {
        name: {
            "provider": name,
            "protocol": "openai_videos",
            "dialect": dialect,
            "keys": [f"sk-{name}"],
        }
        for name, (dialect, _) in _BILLINGS.items()
    }
    upstreams["dead"] = {
        "provider": "dead",
        "protocol": "openai_videos",
        "dialect": "openai",
        "keys": ["sk-dead"],
        "listens": False,
    }
    billings = {name: billing for name, (_, billing) in _BILLINGS.items()}
    services = {
        name: {
            "name": name,
            "upstream": name,
            "model": "sora-2",
            "access": "official",
            "price": {"unit": "per_call", "rates": {"*": "0.10"}},
            "billing": billings.get(name, "refunds_failures"),
            "latency": latency,
            "lengths": [4, 8],
            "sizes": ["720x1280", "1280x720"],
            "faults": faults if name in billings else [],
        }
        for name in upstreams
    }
    return json.dumps(
        {
            "title": "Chaos",
            "start": "2026-11-22T09:00:00Z",
            "seed": 4,
            "upstreams": upstreams,
            "services": services,
        }
    )


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


def models() -> "cycle[str]":
    """Return the routes in turn; each begins with another service."""
    return cycle(f"film-{number}" for number in range(len(_BILLINGS) + 1))
