"""The world of the chaos bench: eight kinds of trouble, spread over five services."""

import json
from collections.abc import Mapping
from itertools import cycle

TROUBLES: Mapping[str, Mapping[str, object]] = {
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
"""By their names; the eighth of the issue, a refused connection, is a service where nobody is."""

SPEED = 10.0
"""Seconds of the world to a real one: jobs take half a second."""

_BILLINGS = {
    "refunding": ("openai", "refunds_failures"),
    "keeping": ("openai", "keeps_failures"),
    "relay": ("new_api", "bills_deliveries"),
    "hosted": ("vllm_omni", "bills_deliveries"),
}


def scenario(share: float) -> str:
    """Return a scenario in which each trouble strikes a share of the creates of each service."""
    spells = [{"fault": {**trouble, "share": share}} for trouble in TROUBLES.values()]
    upstreams: dict[str, object] = {
        name: {
            "provider": name,
            "protocol": "openai_videos",
            "dialect": dialect,
            "keys": [f"sk-{name}"],
        }
        for name, (dialect, _) in _BILLINGS.items()
    }
    upstreams["nobody"] = {
        "provider": "nobody",
        "protocol": "openai_videos",
        "dialect": "openai",
        "keys": ["sk-nobody"],
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
            "faults": spells if name in billings else [],
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
    """Return what a server is told of that world.

    Args:
        catalogue: As the world describes itself.
        listen: Where the server listens.
        database: The address of its database.
        deadline: How many seconds a video may take.
    """
    document = json.loads(json.dumps(catalogue))
    for upstream in document["upstreams"].values():
        upstream |= {"timeout": "5s", "job_timeout": "6s"}
    services = list(document["services"])
    orders = [services[place:] + services[:place] for place in range(len(services))]
    return {
        **document,
        # Not probed, and never judged to be down by its troubles: it is the gateway that is tested.
        "probes": {"reach": "off", "credentials": "off", "generation": "off"},
        "database": {"url": database},
        "status": {"listen": listen},
        "gateway": {
            "open": True,
            "answer_within": "3s",
            "budget": {"per_day": 100000},
            "webhooks": {
                "books": {"url": "http://127.0.0.1:9/", "secret": f"whsec_{'QUFB' * 10}"},
            },
        },
        "routes": {
            f"film-{place}": {
                "services": order,
                "explicit": True,
                "deadline": f"{deadline:g}s",
                "attempts": 4,
            }
            for place, order in enumerate(orders)
        },
    }


def models() -> "cycle[str]":
    """Return the routes, in turn: each service is the first of one."""
    return cycle(f"film-{place}" for place in range(len(_BILLINGS) + 1))
