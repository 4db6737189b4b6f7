"""The gateway conforms to the official description of the Videos API for any request.

The description is an extract of openai/openai-openapi, `openapi.yaml` of 2026-08-21, which has no
errors; those get the envelope that the same file describes.
"""

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from ruamel.yaml import YAML
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

if TYPE_CHECKING:
    from tests.gateway.http.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

_DESCRIPTION = Path(__file__).parents[2] / "data" / "openai-videos.openapi.yaml"
_ERROR = {
    "description": "refused",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}}},
}
_CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def _described() -> dict[str, Any]:
    document: dict[str, Any] = YAML(typ="safe").load(_DESCRIPTION.read_text("utf-8"))
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"]["default"] = _ERROR
    # Otherwise every create would be refused.
    document["components"]["schemas"]["VideoModel"] = {"type": "string", "enum": ["boats"]}
    return document


def _statuses(operation: APIOperation[Any, Any, Any, Any], gateway: "Gateway") -> Counter[int]:
    """Return the statuses that an operation returned, with their counts."""
    statuses = Counter[int]()

    @seed(20261122)
    @settings(
        max_examples=25, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=operation.as_strategy())
    def conforms(case: Case[Any]) -> None:
        answer = case.call_and_validate(
            base_url=f"{gateway.address}/v1",
            headers={"Authorization": f"Bearer {gateway.key}"},
            checks=_CHECKS,
        )
        statuses[answer.status_code] += 1

    conforms()
    return statuses


def _check(gateway: "Gateway") -> dict[str, Counter[int]]:
    schema = schemathesis.openapi.from_dict(_described())
    operations = [one.ok() for one in schema.get_all_operations() if isinstance(one, Ok)]
    return {operation.label: _statuses(operation, gateway) for operation in operations}


async def test_every_operation_conforms_to_the_description(gateway: "Gateway") -> None:
    answered = await asyncio.to_thread(_check, gateway)

    assert len(answered) == 10
    assert answered["POST /videos"][200] > 0
    assert answered["GET /videos"][200] > 0
    assert answered["GET /videos/{video_id}"][404] > 0
