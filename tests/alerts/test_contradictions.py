"""When a status page that says otherwise than the verdicts is notified."""

from datetime import UTC, datetime, timedelta

import pytest

from tallylight.alerts.contradictions import update_contradictions
from tallylight.alerts.notification import Notification
from tallylight.alerts.state import AlertRules, AlertState, ServiceAlert
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tests.builders import service_named

NOW = datetime(2026, 1, 28, 12, tzinfo=UTC)
A = ServiceId("a")
MEMBERS = {A: service_named(A, provider="maker")}
RULES = AlertRules(feed_contradiction=timedelta(minutes=30))


def told(claim: Status, shown: Status, rules: AlertRules = RULES) -> list[Notification]:
    """Return what is notified within two hours of one claim and one status."""
    state = AlertState({A: ServiceAlert(shown, NOW)})
    sent: list[Notification] = []
    for minute in range(120):
        now = NOW + timedelta(minutes=minute)
        state, due = update_contradictions(state, {A: claim}, now, rules, MEMBERS)
        sent += due
    return sent


@pytest.mark.parametrize(
    ("claim", "shown"),
    [(Status.OPERATIONAL, Status.SUSPENDED), (Status.SUSPENDED, Status.OPERATIONAL)],
)
def test_a_contradiction_that_lasts_is_notified_once(claim: Status, shown: Status) -> None:
    (sent,) = told(claim, shown)

    assert sent.at == NOW + timedelta(minutes=30)
    assert (sent.services, sent.facts["says"]) == ((A,), claim)


@pytest.mark.parametrize(
    ("claim", "shown"),
    [
        (Status.OPERATIONAL, Status.OPERATIONAL),
        (Status.SUSPENDED, Status.DEGRADED),
        (Status.OPERATIONAL, Status.UNKNOWN),
        (Status.OPERATIONAL, Status.MAINTENANCE),
    ],
)
def test_what_is_no_contradiction_is_not_notified(claim: Status, shown: Status) -> None:
    assert told(claim, shown) == []


def test_without_the_option_nothing_is_notified() -> None:
    assert told(Status.OPERATIONAL, Status.SUSPENDED, AlertRules()) == []
