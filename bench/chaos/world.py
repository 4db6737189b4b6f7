"""The scenario of the chaos bench: eight kinds of fault at four services, and a dead service."""

import json
from collections.abc import Mapping
from itertools import cycle

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
    "accepted then failed": {"kind": "fail", "after": 5},
    "accepted then stalled": {"kind": "stall"},
}
"""Faults by name; in addition one service refuses connections."""

SPEED = 10.0
"""Scenario seconds per real second: jobs take half a second."""

_BILLINGS = {
    "refunding": ("openai", "refunds_failures"),
    "keeping": ("openai", "keeps_failures"),
    "relay": ("new_api", "bills_deliveries"),
    "hosted": ("vllm_omni", "bills_deliveries"),
}


def scenario(share: float) -> str:
    """Return a scenario in which each fault affects a share of the creates of each service."""
    faults = [{"fault": {**fault, "share": share}} for fault in FAULTS.values()]
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
            "latency": [4, 6],
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


def configuration(
    catalogue: Mapping[str, object], listen: str, database: str, deadline: float
) -> dict[str, object]:
    """Return the configuration of the gateway.

    Args:
        catalogue: The catalogue from the simulator.
        listen: Address to listen on.
        database: URL of the database.
        deadline: Deadline of a video in seconds.
    """
    document = json.loads(json.dumps(catalogue))
    for upstream in document["upstreams"].values():
        upstream |= {"timeout": "5s", "job_timeout": "6s"}
    services = list(document["services"])
    orders = [services[first:] + services[:first] for first in range(len(services))]
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
                "services": order,
                "explicit": True,
                "deadline": f"{deadline:g}s",
                "attempts": 4,
            }
            for number, order in enumerate(orders)
        },
    }


def models() -> "cycle[str]":
    """Return the routes in turn; each begins with another service."""
    return cycle(f"film-{number}" for number in range(len(_BILLINGS) + 1))
