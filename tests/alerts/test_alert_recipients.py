"""Which part of a notification reaches a receiver."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from tallylight.alerts.notification import Notification, NotificationKind, ServiceChange
from tallylight.alerts.options import AlertOptions, ReceiverOptions
from tallylight.alerts.recipients import for_receiver
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
A, B = ServiceId("sora-2"), ServiceId("sora-2-pro")
UP, SLOW, DOWN = Status.OPERATIONAL, Status.DEGRADED, Status.SUSPENDED


def receiver(**options: object) -> ReceiverOptions:
    return ReceiverOptions.model_validate({"url": "json://127.0.0.1/"} | options)


def notification(kind: NotificationKind, *changes: ServiceChange) -> Notification:
    services = tuple(change.service for change in changes)
    return Notification(kind, NOW, services, changes)


BOTH = notification(
    NotificationKind.FIRING, ServiceChange(A, UP, DOWN, NOW), ServiceChange(B, UP, SLOW, NOW)
)


def test_a_receiver_without_filters_gets_everything() -> None:
    assert for_receiver(BOTH, receiver()) == BOTH


def test_a_receiver_gets_only_its_services() -> None:
    found = for_receiver(BOTH, receiver(services=[B]))

    assert found == notification(NotificationKind.FIRING, ServiceChange(B, UP, SLOW, NOW))


def test_a_receiver_gets_only_its_statuses() -> None:
    found = for_receiver(BOTH, receiver(statuses=["suspended"]))

    assert found == notification(NotificationKind.FIRING, ServiceChange(A, UP, DOWN, NOW))


def test_a_receiver_that_filters_out_all_services_gets_nothing() -> None:
    assert for_receiver(BOTH, receiver(services=[A], statuses=["degraded"])) is None


@pytest.mark.parametrize(("statuses", "is_sent"), [(["suspended"], True), (["retired"], False)])
def test_a_receiver_of_the_outage_also_gets_its_end(statuses: list[str], *, is_sent: bool) -> None:
    # It was suspended at first, then only degraded, then well.
    end = notification(
        NotificationKind.RESOLVED, ServiceChange(A, SLOW, UP, NOW, notified_statuses=(DOWN, SLOW))
    )

    assert (for_receiver(end, receiver(statuses=statuses)) is not None) is is_sent


def test_flapping_is_sent_whatever_the_statuses() -> None:
    flapping = notification(NotificationKind.FLAPPING, ServiceChange(A, UP, UP, NOW))

    assert for_receiver(flapping, receiver(statuses=["suspended"])) == flapping


def test_our_own_network_is_sent_to_every_receiver() -> None:
    down = Notification(NotificationKind.NETWORK_DOWN, NOW)

    assert for_receiver(down, receiver(services=[A], statuses=["retired"])) == down


def test_keys_and_shutdowns_are_filtered_by_service_alone() -> None:
    ahead = Notification(NotificationKind.SHUTDOWN_AHEAD, NOW, (A, B), facts={"days": 7})

    found = for_receiver(ahead, receiver(services=[A], statuses=["degraded"]))

    assert found == Notification(NotificationKind.SHUTDOWN_AHEAD, NOW, (A,), facts={"days": 7})
    assert for_receiver(ahead, receiver(services=["veo"])) is None


def test_an_address_is_never_printed() -> None:
    options = AlertOptions.model_validate(
        {"receivers": {"team": {"url": "slack://planted-token-123"}}}
    )

    assert "planted" not in repr(options)
    assert "planted" not in str(options.model_dump())


def test_options_become_the_figures_of_the_rules() -> None:
    options = AlertOptions.model_validate(
        {"group_wait": "10s", "remind_after": None, "shutdown_days": [1, 14]}
    )

    rules = options.rules()

    assert rules.group_wait.total_seconds() == 10
    assert rules.remind_after is None
    assert rules.shutdown_days == (14, 1)


@pytest.mark.parametrize(
    "options",
    [
        {"receivers": {"team": {"url": ""}}},
        {"receivers": {"team": {"url": "json://x", "statuses": ["down"]}}},
        {"receivers": {"team": {"url": "json://x", "colour": "red"}}},
        {"shutdown_days": [0]},
        {"group_wait": "soon"},
    ],
)
def test_invalid_options_are_refused(options: object) -> None:
    with pytest.raises(ValidationError):
        AlertOptions.model_validate(options)
