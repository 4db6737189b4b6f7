"""The API conforms to its OpenAPI description for any request."""

import asyncio
from typing import Any

import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from schemathesis import Case
from schemathesis.core.result import Ok


def _check(base: str) -> list[str]:
    schema = schemathesis.openapi.from_url(f"{base}/api/openapi.json")
    checked = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()

        @seed(20261122)
        @settings(
            max_examples=12,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def conforms(case: Case[Any]) -> None:
            case.call_and_validate()

        conforms()
        checked.append(operation.path)
    return checked


async def test_every_operation_conforms_to_its_description(base: str) -> None:
    checked = await asyncio.to_thread(_check, base)

    assert {"/api/services", "/api/uptime", "/api/ledger", "/api/advice", "/api/recommend"} <= set(
        checked
    )
    assert "/api/v2/summary.json" in checked
    assert len(checked) == 17
