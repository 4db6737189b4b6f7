"""Our own JSON API."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import aiohttp
import pytest

from tallylight.model.evidence import Evidence, Source
from tallylight.model.ids import ServiceId
from tallylight.model.ledger import Purpose
from tallylight.model.status import Status
from tallylight.model.verdict import Block, Reason, ReasonCode, Verdict
from tallylight.storage.database import Storage

Get = Callable[..., Awaitable[aiohttp.ClientResponse]]

NOW = datetime(2026, 1, 28, 14, 0, tzinfo=UTC)
SUSPENDED_SERVICE = ServiceId("sora-2-pro-reverse")


async def test_services_are_a_list_in_the_catalogues_order(get: Get) -> None:
    services = await (await get("/api/services")).json()

    assert [(each["id"], each["lamp"], each["status"]) for each in services] == [
        ("sora-2-official", "🟢", "operational"),
        ("sora-2-pro-official", "🟢", "operational"),
        ("sora-2-reverse", "🟡", "risk_control"),
        ("sora-2-pro-reverse", "🔴", "suspended"),
        ("veo-3.1", "⚪", "unknown"),
        ("image", "🟢", "operational"),
    ]


async def test_a_service_has_reasons_since_and_official_feed(get: Get) -> None:
    official, _, limited, *_ = await (await get("/api/services")).json()

    assert official["official_feed"] == {
        "status": "operational",
        "note": "",
        "at": "2026-01-25T14:00:00Z",
    }
    assert (official["latency_ms"], official["job_seconds"]) == (62, 74.0)
    assert official["checked_at"] == "2026-01-28T13:59:40Z"
    assert official["price"] == "$0.10 per second (720p)"
    assert official["uptime"]["uptime"] == 1.0
    assert official["uptime"]["coverage"] == 1.0
    assert official["uptime"]["first_look"] == "2025-11-29T14:00:00Z"
    assert official["uptime"]["text"] == "100.0% of the 60 days monitored so far"
    assert limited["since"] == "2026-01-28T09:00:00Z"
    assert limited["access"] == "reverse"
    assert limited["official_feed"] is None
    assert limited["reasons"][0] == (
        "The upstream reports risk control (HTTP 403); "
        "last error on 28 Jan at 13:51 UTC: “当前账号触发风控，请稍后再试”"
    )


@pytest.mark.parametrize(
    ("path", "header"), [("/api/services", "zh-TW,zh;q=0.9"), ("/api/services?lang=zh-Hant", "en")]
)
async def test_reasons_are_in_the_readers_language(get: Get, path: str, header: str) -> None:
    services = await (await get(path, accept_language=header)).json()

    assert services[2]["reasons"][0].startswith("上游自己說明是風控")


async def test_a_blocked_service_names_the_kind_of_failure(
    get: Get, set_verdict: Callable[[Verdict], object]
) -> None:
    why = Reason(ReasonCode.BALANCE_EMPTY, NOW, {"http_status": 402})
    set_verdict(Verdict(ServiceId("image"), Status.UNKNOWN, NOW, 0.5, (why,), Block.QUOTA))

    image = await (await get("/api/services/image")).json()

    assert image["blocked"] == "quota"
    assert image["reasons"] == [
        "Our balance or quota is used up (HTTP 402, most recently on 28 Jan at 14:00 UTC)."
    ]


async def test_one_service_comes_with_its_sheet_uptimes_probes_and_budgets(get: Get) -> None:
    halted = await (await get(f"/api/services/{SUSPENDED_SERVICE}")).json()

    assert [each["window"] for each in halted["uptimes"]] == ["1h", "24h", "7d", "30d", "90d"]
    assert halted["uptimes"][3]["uptime"] == pytest.approx(0.7)
    assert halted["uptimes"][4]["uptime"] == pytest.approx(0.775)  # of the 40 days so far
    assert halted["sheet"]["lengths"] == [4, 8, 12]
    assert halted["next_probes"] == [
        {"depth": "reach", "at": "2026-01-28T14:00:40Z", "reason": "routine"}
    ]
    assert halted["budgets"] == [
        {"scope": SUSPENDED_SERVICE, "window": "24h", "limit_usd": 2.0, "spent_usd": 0.0}
    ]


async def test_evidence_comes_newest_first_and_in_pages(get: Get) -> None:
    newest = await (await get(f"/api/services/{SUSPENDED_SERVICE}/evidence?limit=2")).json()
    older = await (
        await get(f"/api/services/{SUSPENDED_SERVICE}/evidence?limit=2&before=2026-01-28T13:58:00Z")
    ).json()

    assert [each["at"] for each in newest] == ["2026-01-28T13:59:00Z", "2026-01-28T13:58:00Z"]
    assert [each["at"] for each in older] == ["2026-01-28T13:57:00Z", "2026-01-28T13:56:00Z"]
    assert newest[0]["failure"] == {
        "kind": "suspended",
        "fault": "upstream",
        "rule": "words:paused",
        "text": "temporarily paused",
        "http_status": 503,
        "retry_after_s": None,
    }


async def test_uptime_covers_the_requested_window(get: Get) -> None:
    day = await (await get("/api/uptime?window=24h")).json()

    limited = next(each for each in day if each["id"] == "sora-2-reverse")
    assert limited["uptime"] == pytest.approx(19 / 24)
    assert limited["seconds"] == {"operational": 19 * 3600, "risk_control": 5 * 3600}
    assert limited["low"] < limited["uptime"] < limited["high"]


async def test_the_ledger_shows_budgets_and_spending(get: Get, history: Storage) -> None:
    await history.ledger.charge(
        SUSPENDED_SERVICE, Purpose.PROBE, Decimal("0.38"), at=NOW, note="4 s"
    )

    ledger = await (await get("/api/ledger")).json()

    assert ledger["budgets"][0] == {
        "scope": "total",
        "window": "24h",
        "limit_usd": 5.0,
        "spent_usd": 0.38,
    }
    assert [(each["service"], each["amount_usd"], each["state"]) for each in ledger["entries"]] == [
        (SUSPENDED_SERVICE, 0.38, "settled")
    ]


@pytest.mark.parametrize(
    ("path", "status", "expected"),
    [
        ("/api/services/nobody", 404, "There is no service nobody."),
        ("/api/services/nobody/evidence", 404, "There is no service nobody."),
        (
            "/api/services/image/evidence?limit=0",
            422,
            "limit: Input should be greater than or equal to 1.",
        ),
        (
            "/api/uptime?window=2h",
            422,
            "window: Input should be '1h', '24h', '7d', '30d' or '90d'.",
        ),
        ("/api/nothing", 404, "Not Found"),
    ],
)
async def test_an_invalid_request_gets_one_sentence(
    get: Get, path: str, status: int, expected: str
) -> None:
    answer = await get(path)

    assert (answer.status, await answer.json()) == (status, {"detail": expected})


async def test_a_time_without_a_zone_is_refused(get: Get) -> None:
    answer = await get("/api/ledger?before=2026-01-28T13:58:00")

    assert answer.status == 422


@pytest.mark.parametrize("before", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
async def test_times_at_the_ends_of_the_calendar_are_accepted(get: Get, before: str) -> None:
    assert (await get(f"/api/services/image/evidence?before={before}")).status == 200
    assert (await get(f"/api/ledger?before={before}")).status == 200


async def test_a_feed_that_cannot_be_read_is_unknown(
    get: Get, add_evidence: Callable[[Evidence], None]
) -> None:
    add_evidence(
        Evidence(
            ServiceId("image"),
            NOW - timedelta(minutes=2),
            Source.FEED,
            claimed_status=Status.UNKNOWN,
        )
    )

    image = await (await get("/api/services/image")).json()

    assert image["official_feed"]["status"] == "unknown"
