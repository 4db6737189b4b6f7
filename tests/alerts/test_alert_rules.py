"""Which notifications the rules make from verdicts and from the time that passes."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tallylight.alerts.notification import Notification, NotificationKind, Severity
from tallylight.alerts.rules import evaluate, observe_network, observe_retraction, observe_verdict
from tallylight.alerts.snapshot import dump_alert_state, load_alert_state
from tallylight.alerts.state import AlertRules, AlertState
from tallylight.catalogue.services import Service, ShutdownPrecision
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Block, Reason, ReasonCode, Verdict
from tests.builders import SERVICE, service_named

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
A, B, OTHER = ServiceId("sora-2"), ServiceId("sora-2-pro"), ServiceId("veo")
DOWN, UP, SLOW = Status.SUSPENDED, Status.OPERATIONAL, Status.DEGRADED


@dataclass
class Simulation:
    """Runs the rules on a clock of its own, as the alert dispatcher does."""

    rules: AlertRules = field(default_factory=AlertRules)
    now: datetime = START
    state: AlertState = field(default_factory=AlertState)
    sent: list[Notification] = field(default_factory=list)
    members: dict[ServiceId, Service] = field(
        default_factory=lambda: {
            A: replace(SERVICE, id=A),
            B: replace(SERVICE, id=B),
            OTHER: service_named(OTHER, provider="google"),
        }
    )

    def set_verdict(  # noqa: PLR0913  # as `observe_verdict`
        self,
        service: ServiceId,
        status: Status,
        *,
        is_confirmed: bool = True,
        blocked: Block | None = None,
        has_recovered: bool = False,
        incident: str = "",
    ) -> None:
        """Set the current verdict on a service."""
        reason = Reason(ReasonCode.JOBS_FAILING, self.now, {"count": 3, "answer": "down"})
        verdict = Verdict(service, status, self.now, 0.97, (reason,), blocked)
        self.state = observe_verdict(
            self.state,
            verdict,
            self.now,
            self.rules,
            is_confirmed=is_confirmed,
            has_recovered=has_recovered,
            incident=incident,
        )

    def take_back(self, service: ServiceId) -> None:
        """Take back the trouble of a service, as our own network goes down."""
        self.network(is_down=True)
        self.state = observe_retraction(self.state, service)
        self.set_verdict(service, Status.OPERATIONAL)

    def network(self, *, is_down: bool) -> None:
        """Take our own network down, or bring it up again."""
        self.state = observe_network(self.state, self.now, self.rules, is_down=is_down)

    def wait(self, **time: float) -> list[Notification]:
        """Advance time in steps of a second or more; return the notifications of that time."""
        end, before = self.now + timedelta(**time), len(self.sent)
        step = max((end - self.now) / 120, timedelta(seconds=1))
        while True:
            self.state, more = evaluate(self.state, self.now, self.rules, self.members)
            self.sent += more
            if self.now >= end:
                return self.sent[before:]
            self.now = min(self.now + step, end)

    def restart(self) -> None:
        """Reload the state, as a restart does."""
        self.state = load_alert_state(dump_alert_state(self.state))

    def shut_down(self, service: ServiceId, day: date, replacement: str = "") -> None:
        """Announce a shutdown."""
        member = self.members[service]
        sheet = replace(member.sheet, shutdown_at=day, replacement=replacement)
        self.members[service] = replace(member, sheet=sheet)


@pytest.fixture
def simulation() -> Simulation:
    """Return a simulation at which nothing has happened."""
    return Simulation()


@pytest.fixture
def calm(simulation: Simulation) -> Simulation:
    """Return a simulation at which all services are known to be well."""
    for service in simulation.members:
        simulation.set_verdict(service, Status.OPERATIONAL)
    assert simulation.wait(minutes=2) == []
    return simulation


def kinds(notifications: Sequence[Notification]) -> list[NotificationKind]:
    return [notification.kind for notification in notifications]


def test_a_service_that_is_first_seen_well_is_not_notified(simulation: Simulation) -> None:
    simulation.set_verdict(A, UP)

    assert simulation.wait(hours=1) == []


def test_a_service_that_is_first_seen_down_is_notified_once(simulation: Simulation) -> None:
    simulation.set_verdict(A, DOWN)

    (sent,) = simulation.wait(hours=1)

    assert (sent.kind, sent.services, sent.severity) == (
        NotificationKind.FIRING,
        (A,),
        Severity.FAILURE,
    )
    (change,) = sent.changes
    assert (change.before, change.after, change.since) == (UP, DOWN, START)
    assert change.reasons[0].facts["answer"] == "down"


def test_a_recovery_is_notified_once(calm: Simulation) -> None:
    calm.set_verdict(A, DOWN)
    calm.wait(minutes=5)

    calm.set_verdict(A, UP)
    (sent,) = calm.wait(hours=1)

    assert (sent.kind, sent.severity) == (NotificationKind.RESOLVED, Severity.SUCCESS)
    assert (sent.changes[0].before, sent.changes[0].after) == (DOWN, UP)
    assert sent.changes[0].notified_statuses == (DOWN,)


def test_a_recovery_before_the_notification_cancels_it(calm: Simulation) -> None:
    calm.set_verdict(A, DOWN)
    calm.wait(seconds=30)

    calm.set_verdict(A, UP)

    assert calm.wait(hours=1) == []


def test_a_change_to_another_bad_status_is_notified(calm: Simulation) -> None:
    calm.set_verdict(A, SLOW)
    first = calm.wait(minutes=5)
    calm.set_verdict(A, DOWN)
    second = calm.wait(minutes=5)

    assert [sent.severity for sent in (*first, *second)] == [Severity.WARNING, Severity.FAILURE]
    assert (second[0].changes[0].before, second[0].changes[0].after) == (SLOW, DOWN)


def test_unknown_is_notified_neither_as_trouble_nor_as_recovery(calm: Simulation) -> None:
    calm.set_verdict(A, DOWN)
    calm.wait(minutes=5)

    calm.set_verdict(A, Status.UNKNOWN)
    assert calm.wait(hours=1) == []
    calm.set_verdict(A, DOWN)
    assert calm.wait(hours=1) == []
    calm.set_verdict(A, Status.UNKNOWN)
    calm.set_verdict(A, UP)
    assert kinds(calm.wait(hours=1)) == [NotificationKind.RESOLVED]


def test_trouble_that_only_free_checks_saw_is_notified_each_time_with_its_end(
    simulation: Simulation,
) -> None:
    sent: list[Notification] = []
    for _ in range(2):
        simulation.set_verdict(A, DOWN)
        sent += simulation.wait(hours=2)
        simulation.set_verdict(A, Status.UNKNOWN, has_recovered=True)
        simulation.restart()
        sent += simulation.wait(hours=9)

    assert kinds(sent) == [NotificationKind.FIRING, NotificationKind.RESOLVED] * 2
    assert (sent[1].changes[0].before, sent[1].changes[0].after) == (DOWN, Status.UNKNOWN)
    simulation.set_verdict(A, UP)
    assert simulation.wait(hours=1) == []


def test_an_outage_that_only_free_checks_see_can_flap(simulation: Simulation) -> None:
    sent: list[Notification] = []
    for _ in range(4):
        simulation.set_verdict(A, DOWN)
        sent += simulation.wait(minutes=3)
        simulation.set_verdict(A, Status.UNKNOWN, has_recovered=True)
        sent += simulation.wait(minutes=3)

    assert kinds(sent) == [
        *[NotificationKind.FIRING, NotificationKind.RESOLVED] * 3,
        NotificationKind.FLAPPING,
    ]


def test_a_recovery_that_a_job_confirms_is_notified_once(simulation: Simulation) -> None:
    sent: list[Notification] = []
    for _ in range(2):
        simulation.set_verdict(A, DOWN)
        sent += simulation.wait(minutes=3)
        simulation.set_verdict(A, Status.UNKNOWN, has_recovered=True)
        sent += simulation.wait(minutes=3)
        simulation.set_verdict(A, UP)
        sent += simulation.wait(minutes=3)

    assert kinds(sent) == [NotificationKind.FIRING, NotificationKind.RESOLVED] * 2


def test_services_of_one_provider_within_a_minute_are_one_notification(calm: Simulation) -> None:
    calm.members[ServiceId("third")] = calm.members[A]
    calm.set_verdict(A, DOWN)
    calm.set_verdict(OTHER, DOWN)
    sent = calm.wait(seconds=50)
    calm.set_verdict(B, SLOW)
    sent += calm.wait(minutes=5)

    assert [notification.services for notification in sent] == [(OTHER,), (A, B)]
    assert sent[1].severity is Severity.FAILURE


def test_a_group_is_sent_at_once_if_all_services_of_the_provider_have_changed(
    calm: Simulation,
) -> None:
    calm.set_verdict(A, DOWN)
    assert calm.wait(seconds=5) == []
    calm.set_verdict(B, DOWN)

    (sent,) = calm.wait(seconds=1)

    assert sent.services == (A, B)


def test_failures_and_recoveries_of_one_provider_are_two_notifications(calm: Simulation) -> None:
    calm.set_verdict(A, DOWN)
    calm.wait(minutes=5)
    calm.set_verdict(A, UP)
    calm.set_verdict(B, DOWN)

    sent = calm.wait(minutes=5)

    assert [(n.kind, n.services) for n in sent] == [
        (NotificationKind.FIRING, (B,)),
        (NotificationKind.RESOLVED, (A,)),
    ]


def test_an_unconfirmed_suspension_is_notified_once_confirmed(calm: Simulation) -> None:
    calm.set_verdict(A, DOWN, is_confirmed=False)
    assert calm.wait(minutes=3) == []

    calm.set_verdict(A, DOWN, is_confirmed=True)

    assert kinds(calm.wait(seconds=1)) == [NotificationKind.FIRING]


def test_a_suspension_that_stays_unconfirmed_is_notified_after_five_minutes(
    calm: Simulation,
) -> None:
    calm.set_verdict(A, DOWN, is_confirmed=False)
    assert calm.wait(minutes=4.9) == []

    assert kinds(calm.wait(minutes=1)) == [NotificationKind.FIRING]


def test_a_service_that_is_still_bad_is_notified_again_by_age(calm: Simulation) -> None:
    calm.set_verdict(A, DOWN)
    assert kinds(calm.wait(hours=9)) == [
        NotificationKind.FIRING,
        NotificationKind.REMINDER,
        NotificationKind.REMINDER,
    ]

    calm.set_verdict(A, UP)
    assert kinds(calm.wait(hours=9)) == [NotificationKind.RESOLVED]


@pytest.mark.parametrize("status", [Status.RETIRED, Status.MAINTENANCE])
def test_an_announced_status_is_notified_only_once(calm: Simulation, status: Status) -> None:
    calm.set_verdict(A, status)

    assert kinds(calm.wait(hours=20)) == [NotificationKind.FIRING]


def test_reminders_can_be_switched_off(calm: Simulation) -> None:
    calm.rules = AlertRules(remind_after=None)
    calm.set_verdict(A, DOWN)

    assert kinds(calm.wait(days=3)) == [NotificationKind.FIRING]


def test_an_unknown_service_causes_no_reminder(calm: Simulation) -> None:
    calm.set_verdict(A, DOWN)
    calm.wait(minutes=5)
    calm.set_verdict(A, Status.UNKNOWN)

    assert calm.wait(hours=20) == []


def flap(simulation: Simulation, times: int) -> list[Notification]:
    sent = []
    for number in range(times):
        simulation.set_verdict(A, UP if number % 2 else DOWN)
        sent += simulation.wait(minutes=7)
    return sent


def test_more_than_three_entries_an_hour_are_notified_as_flapping(calm: Simulation) -> None:
    sent = flap(calm, 10)

    assert kinds(sent) == [
        *[NotificationKind.FIRING, NotificationKind.RESOLVED] * 3,
        NotificationKind.FLAPPING,
    ]


def test_three_entries_an_hour_are_notified_one_by_one(calm: Simulation) -> None:
    assert kinds(flap(calm, 6)) == [NotificationKind.FIRING, NotificationKind.RESOLVED] * 3


def test_one_outage_with_many_names_is_one_notification_and_one_recovery(calm: Simulation) -> None:
    sent: list[Notification] = []
    for status in [Status.SUSPENDED, Status.DEGRADED, Status.UNKNOWN, Status.RISK_CONTROL] * 10:
        calm.set_verdict(A, status)
        sent += calm.wait(minutes=4)
    calm.set_verdict(A, UP)
    sent += calm.wait(hours=2)

    assert kinds(sent) == [NotificationKind.FIRING, NotificationKind.RESOLVED]


def test_a_worse_name_is_notified_and_a_still_worse_one_an_hour_later(calm: Simulation) -> None:
    for status in (SLOW, Status.RISK_CONTROL, DOWN):
        calm.set_verdict(A, status)
        calm.wait(minutes=2)
    later = calm.wait(hours=1)

    assert [sent.changes[0].after for sent in calm.sent] == [SLOW, Status.RISK_CONTROL, DOWN]
    assert kinds(later) == [NotificationKind.FIRING]
    assert later[0].at - calm.sent[1].at == timedelta(hours=1, minutes=1)


def test_a_reminder_has_the_status_of_now(calm: Simulation) -> None:
    calm.set_verdict(A, DOWN)
    calm.wait(minutes=5)

    calm.set_verdict(A, SLOW)
    (reminder,) = calm.wait(hours=4)

    assert (reminder.kind, reminder.changes[0].after) == (NotificationKind.REMINDER, SLOW)


@pytest.mark.parametrize(("times", "status"), [(7, DOWN), (8, UP)])
def test_flapping_ends_with_an_hour_without_an_entry(
    calm: Simulation, times: int, status: Status
) -> None:
    flap(calm, times)
    assert calm.wait(minutes=45) == []

    (sent,) = calm.wait(minutes=15)

    assert (sent.kind, sent.changes[0].after) == (NotificationKind.FLAPPING_ENDED, status)
    assert calm.wait(hours=1) == []


def test_after_flapping_single_changes_are_notified_again(calm: Simulation) -> None:
    flap(calm, 7)
    calm.wait(hours=2)

    calm.set_verdict(A, UP)

    assert kinds(calm.wait(minutes=5)) == [NotificationKind.RESOLVED]


def test_our_own_network_is_notified_exactly_once_and_freezes_the_rest(calm: Simulation) -> None:
    calm.set_verdict(A, DOWN)
    calm.network(is_down=True)
    calm.set_verdict(B, DOWN)
    calm.set_verdict(OTHER, DOWN)

    assert kinds(calm.wait(hours=9)) == [NotificationKind.NETWORK_DOWN]


def test_a_failure_of_our_own_network_is_never_notified_of_services(calm: Simulation) -> None:
    calm.network(is_down=True)
    calm.set_verdict(A, DOWN)
    calm.wait(minutes=5)

    calm.network(is_down=False)
    up = calm.wait(seconds=20)
    calm.set_verdict(A, UP)

    assert kinds(up) == [NotificationKind.NETWORK_UP]
    assert calm.wait(hours=1) == []


def test_a_refused_key_is_one_notification_for_all_its_services(calm: Simulation) -> None:
    calm.set_verdict(A, UP, blocked=Block.AUTH)
    assert calm.wait(seconds=30) == []
    calm.set_verdict(B, UP, blocked=Block.AUTH)

    (sent,) = calm.wait(hours=1)

    assert (sent.kind, sent.services) == (NotificationKind.KEY_BLOCKED, (A, B))
    assert sent.facts == {"upstream": "openai", "block": "auth"}


def test_a_key_refused_at_one_service_is_notified_after_a_minute(calm: Simulation) -> None:
    calm.set_verdict(A, UP, blocked=Block.QUOTA)

    (sent,) = calm.wait(hours=1)

    assert (sent.services, sent.facts["block"]) == ((A,), "quota")


def test_a_key_that_works_again_is_notified_once(calm: Simulation) -> None:
    calm.set_verdict(A, UP, blocked=Block.QUOTA)
    calm.set_verdict(B, UP, blocked=Block.QUOTA)
    calm.wait(minutes=5)

    calm.set_verdict(A, UP)
    assert calm.wait(minutes=5) == []
    calm.set_verdict(B, UP)

    assert kinds(calm.wait(hours=1)) == [NotificationKind.KEY_ACCEPTED]


def test_a_shutdown_is_notified_once_on_each_of_the_days(calm: Simulation) -> None:
    calm.shut_down(A, date(2027, 3, 1), replacement="sora-3")
    calm.shut_down(B, date(2027, 3, 1))

    sent = [*calm.wait(days=60), *calm.wait(days=60)]

    assert [notification.facts["days"] for notification in sent] == [90, 30, 7, 1]
    assert {notification.services for notification in sent} == {(A, B)}
    assert sent[0].facts["replacement"] == "sora-3"
    assert sent[0].facts["date"] == "2027-03-01"


def test_a_shutdown_of_what_is_only_offered_is_notified_as_well(simulation: Simulation) -> None:
    """A service that nothing probes has no verdict, but routes may lead to it."""
    simulation.shut_down(A, date(2026, 11, 25))

    sent = [*simulation.wait(days=2), *simulation.wait(days=5)]

    assert [notification.facts["days"] for notification in sent] == [5, 1]


def test_the_earlier_of_two_dates_is_notified_first(calm: Simulation) -> None:
    calm.shut_down(A, date(2026, 12, 25))
    member = calm.members[A]
    disputed = replace(
        member.sheet,
        shutdown_precision=ShutdownPrecision.CONFLICTING,
        earlier_shutdown_at=date(2026, 11, 25),
    )
    calm.members[A] = replace(member, sheet=disputed)

    sent = [*calm.wait(days=10), *calm.wait(days=30)]

    told = [(each.facts["date"], each.facts["days"]) for each in sent]
    assert told == [
        ("2026-11-25", 5),
        ("2026-11-25", 1),
        ("2026-12-25", 30),
        ("2026-12-25", 7),
        ("2026-12-25", 1),
    ]
    assert {each.facts["precision"] for each in sent} == {"conflicting"}


def test_a_process_that_starts_late_notifies_a_shutdown_once(calm: Simulation) -> None:
    calm.shut_down(A, date(2026, 11, 25))

    assert [sent.facts["days"] for sent in calm.wait(hours=1)] == [5]


def test_a_shutdown_that_moves_is_notified_anew(calm: Simulation) -> None:
    calm.shut_down(A, date(2026, 11, 25))
    calm.wait(hours=1)

    calm.shut_down(A, date(2026, 11, 26))

    assert kinds(calm.wait(hours=1)) == [NotificationKind.SHUTDOWN_AHEAD]


def test_a_restart_neither_repeats_nor_forgets(calm: Simulation) -> None:
    calm.shut_down(OTHER, date(2026, 11, 25))
    calm.set_verdict(A, DOWN)
    calm.wait(minutes=5)
    calm.set_verdict(B, DOWN, blocked=Block.AUTH)
    calm.restart()

    calm.set_verdict(A, DOWN)

    assert kinds(calm.wait(minutes=5)) == [NotificationKind.FIRING, NotificationKind.KEY_BLOCKED]


def test_a_service_that_is_removed_while_it_is_down_is_notified_once(calm: Simulation) -> None:
    calm.set_verdict(A, DOWN)
    calm.wait(minutes=5)
    del calm.members[A]

    (sent,) = calm.wait(hours=9)

    assert (sent.kind, sent.services) == (NotificationKind.REMOVED, (A,))
    assert sent.changes[0].after is DOWN
    assert A not in calm.state.service_alerts


def test_a_service_that_is_removed_while_it_is_well_is_dropped(calm: Simulation) -> None:
    del calm.members[A]

    assert calm.wait(hours=9) == []
    assert A not in calm.state.service_alerts


def test_a_recovery_has_the_begin_of_its_trouble_and_its_incident(calm: Simulation) -> None:
    calm.set_verdict(A, SLOW, incident="inc_1")
    began = calm.now
    calm.wait(minutes=20)
    calm.set_verdict(A, DOWN, incident="inc_1")
    calm.wait(minutes=20)
    calm.set_verdict(A, UP)

    (sent,) = calm.wait(hours=1)

    (change,) = sent.changes
    assert (change.trouble_since, change.incident) == (began, "inc_1")
    assert change.duration == timedelta(minutes=40)
    assert len(change.notified_in) == 2


def test_an_unreadable_state_is_logged_and_replaced_by_an_empty_one() -> None:
    with capture_logs() as logs:
        assert load_alert_state('{"service_alerts": 7}') == AlertState()
        assert load_alert_state("") == AlertState()
    assert [entry["event"] for entry in logs] == ["alerts.state_unreadable"] * 2


Step = bool | int | tuple[ServiceId, Status, bool, Block | None]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([A, B, OTHER]),
            st.sampled_from(list(Status)),
            st.booleans(),
            st.sampled_from([None, Block.AUTH, Block.QUOTA]),
        ),
        st.integers(1, 7200),
        st.booleans(),
    ),
    max_size=30,
)


def play(simulation: Simulation, steps: Sequence[Step]) -> None:
    for step in steps:
        match step:
            case bool():
                simulation.network(is_down=step)
            case int():
                simulation.wait(seconds=step)
            case (service, status, is_confirmed, blocked):
                simulation.set_verdict(service, status, is_confirmed=is_confirmed, blocked=blocked)


@given(STEPS)
def test_a_state_survives_a_restart(steps: list[Step]) -> None:
    simulation = Simulation()

    play(simulation, steps)

    assert load_alert_state(dump_alert_state(simulation.state)) == simulation.state


@given(STEPS)
def test_a_recovery_is_notified_only_after_a_failure_was(steps: list[Step]) -> None:
    simulation = Simulation()

    play(simulation, steps)

    firing: set[ServiceId] = set()
    for sent in simulation.sent:
        if sent.kind in {NotificationKind.RESOLVED, NotificationKind.REMINDER}:
            assert firing >= set(sent.services)
        if sent.kind in {
            NotificationKind.FIRING,
            NotificationKind.RESOLVED,
            NotificationKind.FLAPPING_ENDED,
        }:
            firing -= set(sent.services)
            firing |= {change.service for change in sent.changes if change.after is not UP}


@given(STEPS)
def test_our_network_is_notified_as_down_and_up_in_turns(steps: list[Step]) -> None:
    simulation = Simulation()

    play(simulation, steps)

    network = [
        kind
        for kind in kinds(simulation.sent)
        if kind in {NotificationKind.NETWORK_DOWN, NotificationKind.NETWORK_UP}
    ]
    assert network[::2] == [NotificationKind.NETWORK_DOWN] * len(network[::2])
    assert network[1::2] == [NotificationKind.NETWORK_UP] * len(network[1::2])


@given(STEPS)
def test_a_status_that_lasts_an_hour_was_notified(steps: list[Step]) -> None:
    simulation = Simulation()
    play(simulation, steps)

    simulation.network(is_down=False)
    simulation.wait(hours=1.5)

    for watch in simulation.state.service_alerts.values():
        worst = max((each.rank for each in watch.notified_statuses), default=-1)
        assert (watch.notified_status is None) == (watch.alertable_status is None)
        assert watch.alertable_status is None or watch.alertable_status.rank <= worst
        assert watch.pending_since is None
        assert not watch.is_flapping


def test_trouble_that_is_taken_back_before_it_was_notified_is_not_notified(
    calm: Simulation,
) -> None:
    calm.set_verdict(A, DOWN)
    calm.take_back(A)
    during = calm.wait(minutes=10)
    calm.network(is_down=False)

    assert kinds(during) == [NotificationKind.NETWORK_DOWN]
    assert kinds(calm.wait(minutes=10)) == [NotificationKind.NETWORK_UP]


def test_notified_trouble_that_is_taken_back_is_followed_by_that_it_was_our_own_network(
    calm: Simulation,
) -> None:
    calm.set_verdict(A, DOWN)
    (fired,) = calm.wait(seconds=90)
    calm.take_back(A)
    calm.wait(minutes=10)
    calm.restart()
    calm.network(is_down=False)
    _, told = calm.wait(minutes=10)

    assert told.kind is NotificationKind.RETRACTED
    assert told.severity is Severity.SUCCESS
    assert [(each.service, each.notified_in, each.duration) for each in told.changes] == [
        (A, (fired.id,), None)
    ]
    assert calm.wait(hours=6) == []


def test_new_trouble_after_what_was_taken_back_is_notified_and_its_end_is_a_recovery(
    calm: Simulation,
) -> None:
    calm.set_verdict(A, DOWN)
    calm.wait(seconds=90)
    calm.take_back(A)
    calm.network(is_down=False)
    told = calm.wait(minutes=10)
    calm.set_verdict(A, DOWN)
    told += calm.wait(minutes=10)
    calm.set_verdict(A, UP)
    told += calm.wait(minutes=10)

    assert kinds(told) == [
        NotificationKind.RETRACTED,
        NotificationKind.FIRING,
        NotificationKind.RESOLVED,
    ]
