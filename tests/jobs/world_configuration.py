"""The configuration of all stepped processes: four services of different kinds, and five routes."""

import json
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from tallylight.config.settings import Configuration, configuration_of
from tallylight.documents.document import parse_document
from tallylight.gateway.keys import Caller
from tallylight.model.ids import KeyId
from tallylight.model.money import Budget
from tests.jobs.upstream_twins import ESTIMATE, STALL_SECONDS, UPSTREAMS

ENDPOINTS = ("first", "second")
ROUTES = {
    "listed": ["listing", "cancelling", "blind"],
    "refunded": ["refunding", "listing", "blind"],
    "patient": ["cancelling", "listing", "refunding"],
    "unlisted": ["blind", "listing"],
    "risky": ["blind", "refunding", "listing"],
}
DEADLINE = timedelta(minutes=15)
LIMIT_OF_ALL = Budget(per_hour=Decimal("4.0"))
LIMIT_OF_KEY = Budget(per_hour=Decimal("2.8"))
CALLERS = tuple(Caller(KeyId(name), name, budget=LIMIT_OF_KEY) for name in ("key_1", "key_2"))

_DIALECTS: dict[str, dict[str, object]] = {
    "listing": {"dialect": "sglang", "lists_all_jobs": True},
    "blind": {"dialect": "new_api"},
    "cancelling": {"dialect": "vllm_omni", "job_timeout": f"{STALL_SECONDS:g}s"},
    "refunding": {
        "dialect": "sglang",
        "lists_all_jobs": True,
        "bills": "deliveries",
        "job_timeout": f"{STALL_SECONDS:g}s",
    },
}
_SECRET = "whsec_" + "A" * 40


def new_configuration(folder: Path) -> Configuration:
    """Return the configuration of all processes."""
    settings: dict[str, dict[str, object]] = {
        "patient": {"when_in_doubt": "wait"},
        "risky": {"when_in_doubt": {"spend_at_most": "10"}},
    }
    document = {
        "upstreams": {
            name: _DIALECTS[name]
            | {
                "provider": name,
                "base_url": f"https://{name}.example/v1",
                "protocol": "openai_videos",
            }
            for name in UPSTREAMS
        },
        "services": {
            name: {
                "name": name,
                "upstream": name,
                "model": "film-1",
                "access": "official",
                "sheet": None,
                "medium": "video",
                "lengths": [4],
                "sizes": ["1280x720"],
                "price": {"per_call": {"*": str(ESTIMATE)}},
                "as_of": "2026-11-01",
            }
            for name in UPSTREAMS
        },
        "routes": {
            name: {
                "services": services,
                "explicit": True,
                "deadline": f"{DEADLINE.total_seconds():g}s",
                **settings.get(name, {}),
            }
            for name, services in ROUTES.items()
        },
        "gateway": {
            "budget": {"per_hour": str(LIMIT_OF_ALL.per_hour)},
            "webhooks": {
                name: {"url": f"https://{name}.example/hook", "secret": _SECRET}
                for name in ENDPOINTS
            },
        },
    }
    # JSON is YAML.
    return configuration_of(parse_document(json.dumps(document), "test.yaml", folder, {}), folder)
