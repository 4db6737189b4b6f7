"""What Apprise's plugins send for real services; only their HTTP calls are caught."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
import requests
from aiohttp import web
from standardwebhooks import Webhook

from tallylight.alerts.addresses import apprise_address
from tallylight.alerts.notification import Notification, NotificationKind, ServiceChange
from tallylight.alerts.options import AlertOptions, ReceiverOptions
from tallylight.alerts.receivers import RenderedNotification, open_receiver
from tallylight.alerts.wording import AlertContext, render_for_receiver
from tallylight.clock import SystemClock
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode
from tests.servers import serving

NOW = datetime(2026, 1, 28, 12, tzinfo=UTC)
DISCORD = "discord://123456789012345678/" + "a" * 68
TELEGRAM = "tgram://123456789:" + "a" * 35 + "/12345"
FLOW = (
    "https://prod-12.westus.logic.azure.com:443/workflows/0123456789abcdef/triggers/manual/paths/"
    "invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=abcDEF-1234"
)
WECOM = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=7a8b9c10-1234-4567-89ab-cdefcdefcdef"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqrTwjU"
CONTEXT = AlertContext(name_of=lambda id_: id_, public_url="https://status.example.com")


def receiver(url: str, **more: object) -> ReceiverOptions:
    options = AlertOptions.model_validate({"receivers": {"team": {"url": url, **more}}})
    return options.receivers["team"]


def firing(*names: str, provider: str = "maker", answer: str = "") -> Notification:
    facts: dict[str, str | int | float] = {"count": 3, "answer": answer}
    reasons = (Reason(ReasonCode.JOBS_FAILING, NOW, facts),) if answer else ()
    changes = tuple(
        ServiceChange(ServiceId(name), Status.OPERATIONAL, Status.SUSPENDED, NOW, reasons)
        for name in names
    )
    services = tuple(change.service for change in changes)
    return Notification(NotificationKind.FIRING, NOW, services, changes, provider=provider)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """Catch what plugins send, and answer that all is well."""
    caught: list[dict[str, object]] = []

    def send(_: requests.Session, request: requests.PreparedRequest, **__: object) -> object:
        body = request.body
        caught.append(json.loads(body if isinstance(body, str | bytes) else "{}"))
        response = requests.Response()
        response.status_code = 200
        response._content = b'{"ok": true, "errcode": 0}'
        return response

    monkeypatch.setattr(requests.Session, "send", send)
    return caught


async def deliver(options: ReceiverOptions, notification: Notification) -> bool:
    opened = open_receiver(options)
    assert opened is not None
    return await opened.send(render_for_receiver(notification, options, CONTEXT), NOW)


async def test_the_outage_of_25_services_reaches_discord_within_its_limit(
    sent: list[dict[str, object]],
) -> None:
    names = [f"Sora 2 Pro through reseller number {number}" for number in range(25)]

    assert await deliver(receiver(DISCORD), firing(*names, answer="x" * 80))

    texts = [str(each["content"]) for each in sent]
    assert max(map(len, texts)) <= 2000
    assert all(name in "\n".join(texts) for name in names)
    assert "25 services of maker: Suspended" in texts[0]


async def test_telegram_gets_no_raw_sign_of_its_markup(sent: list[dict[str, object]]) -> None:
    assert await deliver(receiver(TELEGRAM), firing("veo_3_1 <fast> & *cheap* [x]"))

    (message,) = sent
    assert message["parse_mode"] == "HTML"
    assert "&lt;fast&gt; &amp;" in str(message["text"])


async def test_wecom_counts_bytes(sent: list[dict[str, object]]) -> None:
    names = [f"經銷商第{number}號的可靈二代影片服務" for number in range(60)]

    assert await deliver(receiver(WECOM, language="zh-Hant"), firing(*names))

    texts = [each["text"] for each in sent]
    assert len(texts) > 1
    assert all(
        len(str(text["content"]).encode()) <= 2048 for text in texts if isinstance(text, dict)
    )


@pytest.mark.parametrize("address", [DISCORD, WECOM, TELEGRAM])
async def test_a_report_that_is_too_long_for_a_chat_ends_with_its_note(
    sent: list[dict[str, object]], address: str
) -> None:
    lines = [f"Sora {number}: ★★★★★ · 99.9%" for number in range(500)]
    note = "The rest is in the report: https://status.example.com/report"
    message = RenderedNotification("報告", "\n".join(lines), cut_note=note, html="<p>x</p>")

    opened = open_receiver(receiver(address))
    assert opened is not None
    assert await opened.send(message, NOW)

    (told,) = sent
    assert "Sora 1: " in str(told)
    assert "status.example.com/report" in str(told)
    assert "Sora 499: " not in str(told)


@pytest.mark.parametrize(
    ("address", "scheme"),
    [
        ("https://open.feishu.cn/open-apis/bot/v2/hook/7a8b9c10-1234", "feishu://7a8b9c10-1234/"),
        ("https://open.larksuite.com/open-apis/bot/v2/hook/7a8b-12", "lark://7a8b-12/"),
        ("https://oapi.dingtalk.com/robot/send?access_token=a1b2", "dingtalk://a1b2/"),
        ("slack://a/b/c", "slack://a/b/c"),
    ],
)
def test_an_address_of_a_dialog_is_translated(address: str, scheme: str) -> None:
    assert apprise_address(address) == scheme


@pytest.mark.parametrize(
    "address",
    [
        "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ",
        "https://open.feishu.cn/open-apis/bot/v2/hook/7a8b9c10-1234-4567-89ab-cdefcdefcdef",
        "https://open.larksuite.com/open-apis/bot/v2/hook/7a8b9c10-1234-4567-89ab-cdefcdefcdef",
        "https://oapi.dingtalk.com/robot/send?access_token=" + "a1b2" * 16,
        "https://discord.com/api/webhooks/123456789012345678/" + "a" * 68,
        FLOW,
        WECOM,
    ],
)
def test_addresses_as_dialogs_give_them_can_be_used(address: str) -> None:
    assert open_receiver(receiver(address)) is not None


@pytest.mark.parametrize("address", ["slak://a/b/c", "hello", "slack://", "mailto://"])
def test_an_address_that_apprise_does_not_know_cannot_be_used(address: str) -> None:
    assert open_receiver(receiver(address)) is None


def test_an_upstreams_page_is_told_as_plain_text() -> None:
    page = "<html><head><title>x</title></head><body><h1>502 Bad</h1>\n gateway <a href='"

    message = render_for_receiver(firing("a", answer=page), receiver(DISCORD), CONTEXT)

    assert "“502 Bad gateway”" in message.body
    assert "<" not in message.body


def test_a_notification_has_the_receivers_language_and_time() -> None:
    options = receiver(DISCORD, language="zh-Hant", time_zone="Asia/Taipei")

    message = render_for_receiver(firing("a"), options, CONTEXT)

    assert "1月28日 20:00 UTC+8" in message.body
    assert message.body.endswith("https://status.example.com/services/a")


def test_a_recovery_says_how_long_the_trouble_lasted() -> None:
    change = ServiceChange(
        ServiceId("a"),
        Status.SUSPENDED,
        Status.OPERATIONAL,
        NOW,
        trouble_since=NOW.replace(hour=9, minute=50),
    )
    resolved = Notification(NotificationKind.RESOLVED, NOW, (change.service,), (change,))

    message = render_for_receiver(resolved, receiver(DISCORD), CONTEXT)

    assert "Operational since 28 Jan at 12:00 UTC, after 2 h 10 min" in message.body


def test_trouble_names_what_to_use_meanwhile() -> None:
    context = replace(CONTEXT, alternatives=lambda _: ("Veo 3.1", "Kling"))

    message = render_for_receiver(firing("a"), receiver(DISCORD), context)

    assert "Use meanwhile: Veo 3.1, Kling" in message.body


def test_a_template_replaces_the_text() -> None:
    options = receiver(
        DISCORD,
        title="{{ kind|upper }} {{ services|length }}",
        body="{% for s in services %}{{ s.id }}={{ s.status }};{% endfor %} {{ link }}",
    )

    message = render_for_receiver(firing("a", "b"), options, CONTEXT)

    assert message.title == "FIRING 2"
    assert message.body == "a=suspended;b=suspended; https://status.example.com/"


def test_a_template_that_fails_with_a_message_leaves_its_usual_text() -> None:
    options = receiver(DISCORD, title="{{ services[0].reasons[0] }}")

    message = render_for_receiver(firing("a"), options, CONTEXT)

    assert message.title == "🔴 a: Suspended"


@pytest.mark.parametrize(
    "template", ["{{ unknown }}", "{% if %}", "{{ ''.__class__.__mro__ }}", "{{ 1 / 0 }}"]
)
def test_a_template_that_cannot_be_used_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="not a template that can be used"):
        receiver(DISCORD, body=template)


@pytest.mark.parametrize("key", ["statuses", "services"])
def test_an_empty_list_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        receiver(DISCORD, **{key: []})


@dataclass
class Endpoint:
    """A server of the operator."""

    received: list[web.BaseRequest]
    bodies: list[str]
    host: str = ""


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    found = Endpoint([], [])

    async def take(request: web.Request) -> web.Response:
        found.received.append(request)
        found.bodies.append(await request.text())
        return web.Response()

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    async with serving(app) as found.host:
        yield found


async def test_a_program_receives_fields_beside_the_text(endpoint: Endpoint) -> None:
    assert await deliver(receiver(f"json://{endpoint.host}/hook"), firing("a", answer="down"))

    body = json.loads(endpoint.bodies[0])
    (service,) = body["services"]
    assert (body["title"], body["kind"]) == ("🔴 a: Suspended", "firing")
    assert (service["id"], service["status"], service["before"]) == (
        "a",
        "suspended",
        "operational",
    )
    assert service["since"] == NOW.isoformat()
    assert service["reasons"][0]["code"] == ReasonCode.JOBS_FAILING


async def test_a_receiver_with_a_secret_receives_signed_webhooks(endpoint: Endpoint) -> None:
    options = receiver(f"http://{endpoint.host}/hook", secret=SECRET)
    opened = open_receiver(options)
    assert opened is not None
    message = render_for_receiver(firing("a"), options, CONTEXT)

    assert await opened.send(message, SystemClock().now())  # the verifier compares with its clock

    headers = dict(endpoint.received[0].headers)
    verified = Webhook(SECRET).verify(
        endpoint.bodies[0], {key.lower(): value for key, value in headers.items()}
    )
    assert verified["type"] == "alert.firing"
    assert verified["data"]["services"][0]["id"] == "a"
    assert headers["webhook-id"] == message.id
