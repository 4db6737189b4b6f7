"""Internal errors are reported in the error object, without their text."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.types import Message

from tallylight.clock import SystemClock
from tallylight.errors import StorageError
from tallylight.gateway.http.app import GatewayApp
from tallylight.gateway.keys import Caller, KeyRegistry
from tallylight.gateway.settings import GatewaySettings

if TYPE_CHECKING:
    from tests.gateway.http.conftest import Gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")


class BrokenKeys(KeyRegistry):
    """A registry whose every method fails."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def authenticate(self, _: str, /) -> Caller | None:
        raise self._error

    def check_rate_limit(self, _: Caller, /) -> timedelta | None:
        raise self._error


async def _ask(
    gateway: "Gateway", error: Exception
) -> tuple[int, dict[bytes, bytes], dict[str, Any]]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    wiring = gateway.served.runtime.gateway_wiring
    app = GatewayApp(Starlette(), wiring.gateway, BrokenKeys(error), GatewaySettings, SystemClock())
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/v1/models",
        "headers": [(b"authorization", b"Bearer tl-x")],
        "query_string": b"",
    }
    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])["error"]


async def test_an_unavailable_database_is_reported_with_retry_after(
    gateway: "Gateway",
) -> None:
    status, headers, error = await _ask(gateway, StorageError("postgresql://user:word@host"))

    assert (status, headers[b"retry-after"]) == (503, b"5")
    assert (error["type"], error["code"]) == ("server_error", "storage_unavailable")
    assert "word" not in error["message"]


async def test_an_internal_error_is_reported_without_its_text(gateway: "Gateway") -> None:
    status, headers, error = await _ask(gateway, ValueError("a secret word"))

    assert status == 500
    assert headers[b"x-request-id"].startswith(b"req_")
    assert (error["type"], error["code"]) == ("server_error", "server_error")
    assert "word" not in error["message"]
