from datetime import UTC, datetime

import pytest
from pydantic import ValidationError
from standardwebhooks import Webhook

from tallylight.gateway.webhooks.options import WebhookEvent, WebhookOptions

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_an_endpoint_receives_all_events_by_default() -> None:
    found = WebhookOptions.model_validate({"url": "https://h.example/?t=1", "secret": SECRET})

    assert found.events == {WebhookEvent.COMPLETED, WebhookEvent.FAILED}
    assert found.url.reveal() == "https://h.example/?t=1"
    assert "h.example" not in repr(found) + found.model_dump_json()
    assert SECRET not in repr(found) + found.model_dump_json()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9000/hook",
        "http://[::1]/hook",
        "http://10.0.0.7/hook",
        "http://billing/hook",
        "https://h.example",
    ],
)
def test_loopback_and_private_addresses_are_allowed(url: str) -> None:
    assert WebhookOptions.model_validate({"url": url, "secret": SECRET}).url.reveal() == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://h.example/hook", "unencrypted"),
        ("ftp://h.example/hook", "is not an address"),
        ("h.example/hook", "is not an address"),
        ("https://user:word@h.example", "must not contain a user"),
        ("https://h.example/#x", "must not contain a user, a password or #"),
        ("https://h.example:port/", "is not an address"),
    ],
)
def test_a_malformed_url_is_refused(url: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        WebhookOptions.model_validate({"url": url, "secret": SECRET})


@pytest.mark.parametrize("secret", [SECRET, SECRET[6:], "A" * 40, "A" * 42, "A" * 43 + "="])
def test_a_secret_may_lack_its_prefix_and_its_padding(secret: str) -> None:
    found = WebhookOptions.model_validate({"url": "https://h.example", "secret": secret})

    assert Webhook(found.secret.reveal()).sign("msg_1", datetime(2026, 11, 22, tzinfo=UTC), "{}")


@pytest.mark.parametrize("secret", ["whsec_", "short", "whsec_c2hvcnQ=", "x" * 200, "ä" * 40])
def test_a_malformed_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValidationError, match="is not a signing secret") as raised:
        WebhookOptions.model_validate({"url": "https://h.example", "secret": secret})

    assert "openssl rand -base64 32" in str(raised.value)


def test_an_endpoint_without_events_is_refused() -> None:
    with pytest.raises(ValidationError):
        WebhookOptions.model_validate(
            {"url": "https://h.example", "secret": SECRET, "events": []},
        )
