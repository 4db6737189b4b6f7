"""One round of `check` at faulty hosts: one verdict and one clear reason, in time."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import trustme

from tallylight.clock import SystemClock
from tallylight.model.evidence import Depth, FailureKind
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.probes.check_round import CheckResult, check_service
from tallylight.simulator.scenario import Billing

Start = Callable[..., Awaitable[Any]]
Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]

OFFICIAL, CHAT = "sora-2-official", "sora-2-reverse"
TIMEOUT = 1.5

PAGE = b"<html><body>" + b"<p>Welcome</p>" * 350_000 + b"</body></html>"
WEB_INTERFACE = b"<!doctype html><html><head><title>New API</title></head><div id='root'></div>"
LIST = b'{"object": "list", "data": [{"id": "sora-2-pro"}, {"id": "sora-2"}]}'


@asynccontextmanager
async def served(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve one response to all requests, on loopback."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            await answer(head, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1"
    finally:
        server.close()
        for task in tasks:
            task.cancel()


def says(body: bytes, kind: str, status: str = "200 OK") -> Answer:
    async def answer(_: bytes, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)

    return answer


async def silent(_: bytes, __: asyncio.StreamWriter) -> None:
    await asyncio.get_running_loop().create_future()


async def half(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
    writer.write(b"Content-Length: 400\r\n\r\n" + LIST[:40])


async def checked(start: Start, base_url: str, name: str = OFFICIAL) -> tuple[Any, CheckResult]:
    """Check a service at a URL; return the environment and the result."""
    env = await start(name, base_url=base_url, timeout=TIMEOUT, speed=1.0)
    result = await check_service(env.prober, env.services[name], Depth.CREDENTIALS, SystemClock())
    return env, result


@pytest.fixture
def refusing() -> Iterator[str]:
    """Return an address that refuses connections, and that no other program can take."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/v1"


def only_failure(result: CheckResult) -> Any:
    failures = [piece.failure for piece in result.evidence if piece.failure is not None]
    assert len(failures) == 1
    return failures[0]


async def test_a_refused_connection_is_reported_at_once(start: Start, refusing: str) -> None:
    env, result = await checked(start, refusing)

    assert "refused" in only_failure(result).text.lower()
    verdict = env.board.verdict(ServiceId(OFFICIAL))
    assert verdict.status is Status.SUSPENDED
    assert "refused" in str(verdict.reasons[0].facts["answer"]).lower()


async def test_an_unresolved_host_name_is_reported(start: Start) -> None:
    env, result = await checked(start, "http://no-such-host.invalid/v1")

    assert only_failure(result).rule == "exception:name"
    verdict = env.board.verdict(ServiceId(OFFICIAL))
    assert verdict.status is Status.UNKNOWN
    assert verdict.reasons[0].facts["problem"] == "host"


async def test_a_host_that_hangs_is_judged_within_the_time_limit(start: Start) -> None:
    async with served(silent) as address:
        env, result = await checked(start, address)

    _, said, limit = only_failure(result).text.partition("no answer within ")
    assert said
    assert float(limit.split()[0]) <= TIMEOUT
    assert env.board.verdict(ServiceId(OFFICIAL)).status is Status.SUSPENDED


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (says(LIST[:40], "application/json"), "application/json that is not the expected response"),
        (half, "an incomplete response"),
        (says(b"\x00\x01\x02 no list at all", "application/octet-stream"), "no list at all"),
        (says(b"just words", "text/plain"), "that is not the expected response: just words"),
        (says(b"", "application/json"), "an empty response"),
    ],
    ids=["half a JSON", "cut off", "binary", "plain text", "empty"],
)
async def test_a_response_that_is_not_a_list_is_detected_and_described(
    start: Start, answer: Answer, words: str
) -> None:
    async with served(answer) as address:
        env, result = await checked(start, address)

    assert words in only_failure(result).text
    verdict = env.board.verdict(ServiceId(OFFICIAL))
    assert verdict.status is Status.SUSPENDED
    (reason,) = verdict.reasons
    assert words in str(reason.facts["answer"])


@pytest.mark.parametrize(
    ("page", "words"),
    [(PAGE, "text/html that is too long to read"), (PAGE[:500], "is not the expected response")],
    ids=["5 MB of HTML", "a page"],
)
async def test_a_page_in_place_of_the_api_is_a_wrong_address(
    start: Start, page: bytes, words: str
) -> None:
    async with served(says(page, "text/html")) as address:
        env, result = await checked(start, address)

    assert words in only_failure(result).text
    verdict = env.board.verdict(ServiceId(OFFICIAL))
    assert verdict.needs_setup
    assert verdict.reasons[0].facts["problem"] == "address"
    assert "mend" not in verdict.reasons[0].facts


async def test_an_expired_certificate_is_reported(start: Start) -> None:
    authority = trustme.CA()
    long_ago = datetime(2020, 1, 1, tzinfo=UTC)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1", not_after=long_ago).configure_cert(context)

    async with served(silent, context) as address:
        env, result = await checked(start, address)

    assert "certificate" in only_failure(result).text
    verdict = env.board.verdict(ServiceId(OFFICIAL))
    assert verdict.status is Status.SUSPENDED


async def test_a_base_url_without_its_version_is_told_with_the_right_one(start: Start) -> None:
    asked: list[bytes] = []

    async def relay(head: bytes, writer: asyncio.StreamWriter) -> None:
        asked.append(head)
        is_api = head.startswith(b"GET /v1/models ")
        answer = says(LIST, "application/json") if is_api else says(WEB_INTERFACE, "text/html")
        await answer(head, writer)

    async with served(relay) as address:
        env, _ = await checked(start, address.removesuffix("/v1"))
        await check_service(env.prober, env.services[OFFICIAL], Depth.CREDENTIALS, SystemClock())

    verdict = env.board.verdict(ServiceId(OFFICIAL))
    assert verdict.needs_setup
    assert verdict.reasons[0].facts["problem"] == "address"
    assert verdict.reasons[0].facts["mend"] == address
    tried = [head for head in asked if head.startswith(b"GET /v1/models ")]
    assert len(tried) == 1
    assert b"authorization" not in tried[0].lower()


async def test_https_to_a_port_of_http_is_told_with_the_right_scheme(start: Start) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_http = (await reader.read(4096)).startswith(b"GET ")
        reply = says(LIST, "application/json", "200 OK" if is_http else "400 Bad Request")
        await reply(b"", writer)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        env, _ = await checked(start, f"https://{address}")

    verdict = env.board.verdict(ServiceId(OFFICIAL))
    assert verdict.needs_setup
    assert verdict.reasons[0].facts["problem"] == "scheme"
    assert verdict.reasons[0].facts["mend"] == f"http://{address}"


async def test_a_mistyped_model_is_told_with_the_nearest_one(start: Start) -> None:
    env = await start(OFFICIAL, timeout=TIMEOUT)
    mistyped = replace(env.services[OFFICIAL], model="sroa-2")

    await check_service(env.prober, mistyped, Depth.CREDENTIALS, SystemClock())

    verdict = env.board.verdict(ServiceId(OFFICIAL))
    assert verdict.needs_setup
    assert verdict.reasons[0].facts["problem"] == "model"
    assert verdict.reasons[0].facts["mend"] == "sora-2"


async def test_a_working_service_passes(start: Start) -> None:
    env = await start(OFFICIAL, timeout=TIMEOUT)

    result = await check_service(env.prober, env.services[OFFICIAL], Depth.GENERATION, env.clock)

    assert [piece.failure for piece in result.evidence] == [None, None, None]
    assert env.board.verdict(ServiceId(OFFICIAL)).status is Status.OPERATIONAL


async def test_a_service_without_a_price_gets_no_generation(start: Start) -> None:
    env = await start(OFFICIAL, timeout=TIMEOUT)
    service = env.services[OFFICIAL]
    free = replace(service, sheet=replace(service.sheet, price=None))

    result = await check_service(env.prober, free, Depth.GENERATION, env.clock)

    assert "price" in result.withheld_reason
    assert env.world.requests[OFFICIAL, "create"] == 0


def generated(address: str) -> bytes:
    chat = {
        "object": "chat.completion",
        "model": "sora-2",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": f"<video src='{address}/a.mp4'>"},
            }
        ],
    }
    return json.dumps(chat).encode()


async def test_a_free_probe_that_started_a_job_is_charged_and_never_repeated(
    start: Start,
) -> None:
    requests: list[bytes] = []
    body = generated("https://relay.test")
    answer = says(body, "application/json")

    async def relay(head: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(head.split(b" ", 1)[0])
        await answer(head, writer)

    async with served(relay) as address:
        env = await start(CHAT, base_url=address, billing=Billing.KEEPS_FAILURES)
        await check_service(env.prober, env.services[CHAT], Depth.CREDENTIALS, env.clock)
        result = await check_service(env.prober, env.services[CHAT], Depth.CREDENTIALS, env.clock)
        later = await env.restart()
        histories = await later.paid_probes.load_histories()

    assert requests.count(b"POST") == 1
    assert result.skipped_depths == (Depth.CREDENTIALS,)
    assert histories[ServiceId(CHAT)].disabled_depths == {Depth.CREDENTIALS}
    (entry,) = await env.entries(CHAT)
    assert (entry.purpose.value, str(entry.amount)) == ("unexpected_charge", "0.15")


async def test_a_free_probe_that_may_have_been_billed_is_not_repeated(start: Start) -> None:
    requests: list[bytes] = []

    async def relay(head: bytes, writer: asyncio.StreamWriter) -> None:
        requests.append(head.split(b" ", 1)[0])
        if head.startswith(b"POST"):
            await silent(head, writer)
        await says(b"{}", "application/json", "401 Unauthorized")(head, writer)

    async with served(relay) as address:
        env = await start(CHAT, base_url=address, timeout=0.9)
        result = await check_service(env.prober, env.services[CHAT], Depth.CREDENTIALS, env.clock)

    assert requests.count(b"POST") == 1
    assert only_failure(result).kind is FailureKind.DEGRADED


async def test_a_free_probe_costs_nothing(start: Start) -> None:
    env = await start(CHAT)

    result = await check_service(env.prober, env.services[CHAT], Depth.CREDENTIALS, env.clock)

    assert [piece.failure for piece in result.evidence] == [None, None]
    assert await env.entries(CHAT) == ()
    await env.check_ledgers()
