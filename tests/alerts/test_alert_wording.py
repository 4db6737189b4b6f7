"""What a notification says."""

from datetime import UTC, datetime

import pytest

from tallylight.alerts.notification import Notification, NotificationKind, ServiceChange
from tallylight.alerts.wording import AlertContext, render_notification
from tallylight.catalogue.services import ShutdownPrecision
from tallylight.i18n import Language, translator
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status

CONTEXT = AlertContext(name_of=lambda id_: id_)
NOW = datetime(2026, 1, 28, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "title"),
    [
        (
            Language.EN,
            "🟢 a: operational again; b, c: answers again; whether videos arrive is not checked",
        ),
        (Language.ZH_HANT, "🟢 a：已恢復正常；b, c：已恢復回應；影片能否送達尚未檢查"),
        (Language.ZH_HANS, "🟢 a：已恢复正常；b, c：已恢复响应；视频能否送达尚未检查"),
    ],
)
def test_a_recovery_says_whether_videos_arrive(language: Language, title: str) -> None:
    statuses = {"a": Status.OPERATIONAL, "b": Status.UNKNOWN, "c": Status.UNKNOWN}
    changes = tuple(
        ServiceChange(ServiceId(name), Status.SUSPENDED, status, NOW)
        for name, status in statuses.items()
    )
    services = tuple(change.service for change in changes)
    notification = Notification(NotificationKind.RESOLVED, NOW, services, changes)

    assert render_notification(notification, CONTEXT, translator(language)).title == title


@pytest.mark.parametrize(
    ("language", "title"),
    [
        (Language.EN, "🟢 a: that was our own network"),
        (Language.ZH_HANT, "🟢 a：剛才是我們自己的網路問題"),
        (Language.ZH_HANS, "🟢 a：刚才是我们自己的网络问题"),
    ],
)
def test_what_was_taken_back_is_said_to_be_our_own_network(language: Language, title: str) -> None:
    change = ServiceChange(ServiceId("a"), Status.SUSPENDED, Status.OPERATIONAL, NOW)
    notification = Notification(NotificationKind.RETRACTED, NOW, (change.service,), (change,))

    assert render_notification(notification, CONTEXT, translator(language)).title == title


@pytest.mark.parametrize(
    ("precision", "says"),
    [
        (ShutdownPrecision.EXACT, "shuts down on 3 March 2026"),
        (ShutdownPrecision.BY, "shuts down by 3 March 2026"),
        (ShutdownPrecision.NOT_BEFORE, "shuts down on 3 March 2026 at the earliest"),
        (ShutdownPrecision.CONFLICTING, "may shut down on 3 March 2026; sources disagree"),
    ],
)
def test_a_shutdown_is_as_certain_as_its_date(precision: ShutdownPrecision, says: str) -> None:
    facts: dict[str, str | int] = {"date": "2026-03-03", "precision": precision.value}
    ahead = Notification(NotificationKind.SHUTDOWN_AHEAD, NOW, (ServiceId("a"),), facts=facts)

    assert says in render_notification(ahead, CONTEXT, translator(Language.EN)).title
