"""The report on a month as a receiver of alerts gets it."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from tallylight.alerts.options import AlertOptions
from tallylight.alerts.receivers import RenderedNotification
from tallylight.alerts.reports import report_notification
from tallylight.alerts.wording import AlertContext
from tallylight.app.report_message import ReportRenderer
from tallylight.clock import VirtualClock
from tallylight.storage.database import open_storage
from tests.builders import service_named

NOW = datetime(2026, 12, 1, 1, tzinfo=UTC)


async def rendered(tmp_path: Path, public_url: str = "", **options: object) -> RenderedNotification:
    """Return the report on November of two services."""
    clock = VirtualClock(NOW)
    services = (replace(service_named("a"), name="Veo <b>"), service_named("b"))
    made = AlertOptions.model_validate({"receivers": {"team": {"url": "json://host", **options}}})
    receiver = made.receivers["team"]
    context = AlertContext(str, public_url=public_url)
    notification = report_notification(date(2026, 11, 1), "team", receiver.zone, NOW)
    async with open_storage(f"sqlite:///{tmp_path}/history.db", clock) as history:
        renderer = ReportRenderer(history, lambda: services, clock, context)
        return await renderer.render(notification, receiver)


async def test_it_has_the_language_the_zone_and_the_services_of_the_receiver(
    tmp_path: Path,
) -> None:
    message = await rendered(tmp_path, language="zh-Hant", time_zone="Asia/Taipei", services=["b"])

    assert message.title == "2026年11月的報告"
    assert message.body.startswith("2026年11月1日至 2026年11月30日")
    assert "Veo" not in message.body
    assert message.fields["facts"] == {
        "month": "2026-11-01",
        "start": "2026-10-31T16:00:00+00:00",
        "end": "2026-11-30T16:00:00+00:00",
    }


async def test_names_are_escaped_in_html_and_plain_in_text(tmp_path: Path) -> None:
    link = "https://status.example.com/report?month=2026-11"

    message = await rendered(tmp_path, "https://status.example.com/")

    assert "Veo &lt;b&gt;" in message.html
    assert "Veo <b> (Official): " in message.body
    assert message.body.endswith(f"\n{link}")
    assert message.cut_note == f"The rest is in the report: {link}"
    assert f'<a href="{link}">' in message.html


@pytest.mark.parametrize("body", [None, "{{ kind }} {{ services|length }}"])
async def test_a_template_takes_the_place_of_the_table(tmp_path: Path, body: str | None) -> None:
    message = await rendered(tmp_path, body=body)

    assert bool(message.html) is (body is None)
    assert body is None or message.body == "report 2"
