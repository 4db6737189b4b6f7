"""Which notifications the rules make of what stands and of the time that passes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from tallylight.alerts.notification import Notification, NotificationKind, Severity
from tallylight.alerts.rules import evaluate, observe_network, observe_verdict
from tallylight.alerts.snapshot import dump_alert_state, load_alert_state
from tallylight.alerts.state import AlertMember, AlertRules, AlertState
from tallylight.model.evidence import FailureKind
from tallylight.model.ids import ProviderId, ServiceId, UpstreamId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode, Verdict

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
A, B, OTHER = ServiceId("sora-2"), ServiceId("sora-2-pro"), ServiceId("veo")
DOWN, UP, SLOW = Status.SUSPENDED, Status.OPERATIONAL, Status.DEGRADED


@dataclass
class Desk:
    """Plays the rules against a clock of its own, as the running program does."""

    rules: AlertRules = field(default_factory=AlertRules)
    now: datetime = START
    state: AlertState = field(default_factory=AlertState)
    told: list[Notification] = field(default_factory=list)
    roster: dict[ServiceId, AlertMember] = field(
        default_factory=lambda: {
            A: AlertMember(ProviderId("openai"), UpstreamId("openai")),
            B: AlertMember(ProviderId("openai"), UpstreamId("openai")),
            OTHER: AlertMember(ProviderId("google"), UpstreamId("gemini")),
        }
    )

    def stands(
        self,
        service: ServiceId,
        status: Status,
        *,
        is_sure: bool = True,
        blocked: FailureKind | None = None,
        has_recovered: bool = False,
    ) -> None:
        """Let a verdict stand from now on."""
        reason = Reason(ReasonCode.JOBS_FAILING, self.now, {"count": 3, "answer": "down"})
        verdict = Verdict(service, status, self.now, 0.97, (reason,), blocked)
        self.state = observe_verdict(
            self.state,
            verdict,
            self.now,
            self.rules,
            is_confirmed=is_sure,
            has_recovered=has_recovered,
        )

    def network(self, *, is_down: bool) -> None:
        """Let our own network go away or come back."""
        self.state = observe_network(self.state, self.now, self.rules, is_down=is_down)

    def wait(self, **time: float) -> list[Notification]:
        """Let time pass second by second or minute by minute; return what was told meanwhile."""
        end, before = self.now + timedelta(**time), len(self.told)
        step = max((end - self.now) / 120, timedelta(seconds=1))
        while True:
            self.state, more = evaluate(self.state, self.now, self.rules, self.roster)
            self.told += more
            if self.now >= end:
                return self.told[before:]
            self.now = min(self.now + step, end)

    def restart(self) -> None:
        """Forget all but what was stored."""
        self.state = load_alert_state(dump_alert_state(self.state))

    def shut_down(self, service: ServiceId, day: date, replacement: str = "") -> None:
        """Let a shutdown be announced."""
        member = self.roster[service]
        self.roster[service] = AlertMember(
            member.provider, member.upstream, day, replacement=replacement
        )


@pytest.fixture
def desk() -> Desk:
    """Return a desk at which nothing has happened."""
    return Desk()


@pytest.fixture
def calm(desk: Desk) -> Desk:
    """Return a desk at which all services are known to be well."""
    for service in desk.roster:
        desk.stands(service, Status.OPERATIONAL)
    assert desk.wait(minutes=2) == []
    return desk


def kinds(told: Sequence[Notification]) -> list[NotificationKind]:
    return [notification.kind for notification in told]


def test_a_service_that_is_found_well_is_not_told(desk: Desk) -> None:
    desk.stands(A, UP)

    assert desk.wait(hours=1) == []


def test_a_service_that_is_found_down_is_told_once(desk: Desk) -> None:
    desk.stands(A, DOWN)

    (told,) = desk.wait(hours=1)

    assert (told.kind, told.services, told.severity) == (
        NotificationKind.FIRING,
        (A,),
        Severity.FAILURE,
    )
    (change,) = told.changes
    assert (change.before, change.after, change.since) == (UP, DOWN, START)
    assert change.reasons[0].facts["answer"] == "down"


def test_a_recovery_is_told_once(calm: Desk) -> None:
    calm.stands(A, DOWN)
    calm.wait(minutes=5)

    calm.stands(A, UP)
    (told,) = calm.wait(hours=1)

    assert (told.kind, told.severity) == (NotificationKind.RESOLVED, Severity.SUCCESS)
    assert (told.changes[0].before, told.changes[0].after) == (DOWN, UP)
    assert told.changes[0].notified_statuses == (DOWN,)


def test_a_recovery_before_the_message_leaves_nothing_to_tell(calm: Desk) -> None:
    calm.stands(A, DOWN)
    calm.wait(seconds=30)

    calm.stands(A, UP)

    assert calm.wait(hours=1) == []


def test_another_bad_status_is_news(calm: Desk) -> None:
    calm.stands(A, SLOW)
    first = calm.wait(minutes=5)
    calm.stands(A, DOWN)
    second = calm.wait(minutes=5)

    assert [told.severity for told in (*first, *second)] == [Severity.WARNING, Severity.FAILURE]
    assert (second[0].changes[0].before, second[0].changes[0].after) == (SLOW, DOWN)


def test_not_to_know_is_neither_bad_nor_good_news(calm: Desk) -> None:
    calm.stands(A, DOWN)
    calm.wait(minutes=5)

    calm.stands(A, Status.UNKNOWN)
    assert calm.wait(hours=1) == []
    calm.stands(A, DOWN)
    assert calm.wait(hours=1) == []
    calm.stands(A, Status.UNKNOWN)
    calm.stands(A, UP)
    assert kinds(calm.wait(hours=1)) == [NotificationKind.RESOLVED]


def test_trouble_that_only_free_checks_saw_is_told_each_time_and_its_end_too(desk: Desk) -> None:
    told: list[Notification] = []
    for _ in range(2):
        desk.stands(A, DOWN)
        told += desk.wait(hours=2)
        desk.stands(A, Status.UNKNOWN, has_recovered=True)
        desk.restart()
        told += desk.wait(hours=9)

    assert kinds(told) == [NotificationKind.FIRING, NotificationKind.RESOLVED] * 2
    assert (told[1].changes[0].before, told[1].changes[0].after) == (DOWN, Status.UNKNOWN)
    desk.stands(A, UP)
    assert desk.wait(hours=1) == []


def test_an_outage_that_only_free_checks_see_can_flap(desk: Desk) -> None:
    told: list[Notification] = []
    for _ in range(4):
        desk.stands(A, DOWN)
        told += desk.wait(minutes=3)
        desk.stands(A, Status.UNKNOWN, has_recovered=True)
        told += desk.wait(minutes=3)

    assert kinds(told) == [
        NotificationKind.FIRING,
        NotificationKind.RESOLVED,
        NotificationKind.FIRING,
        NotificationKind.RESOLVED,
        NotificationKind.FLAPPING,
    ]


def test_a_recovery_that_a_job_confirms_is_one_change(desk: Desk) -> None:
    told: list[Notification] = []
    for _ in range(2):
        desk.stands(A, DOWN)
        told += desk.wait(minutes=3)
        desk.stands(A, Status.UNKNOWN, has_recovered=True)
        told += desk.wait(minutes=3)
        desk.stands(A, UP)
        told += desk.wait(minutes=3)

    assert kinds(told) == [NotificationKind.FIRING, NotificationKind.RESOLVED] * 2


def test_services_of_one_provider_within_a_minute_are_one_message(calm: Desk) -> None:
    calm.roster[ServiceId("third")] = calm.roster[A]
    calm.stands(A, DOWN)
    calm.stands(OTHER, DOWN)
    told = calm.wait(seconds=50)
    calm.stands(B, SLOW)
    told += calm.wait(minutes=5)

    assert [notification.services for notification in told] == [(OTHER,), (A, B)]
    assert told[1].provider == "openai"
    assert told[1].severity is Severity.FAILURE


def test_nothing_is_waited_for_once_all_services_of_the_provider_have_changed(
    calm: Desk,
) -> None:
    calm.stands(A, DOWN)
    assert calm.wait(seconds=5) == []
    calm.stands(B, DOWN)

    (told,) = calm.wait(seconds=1)

    assert told.services == (A, B)


def test_good_and_bad_news_of_one_provider_are_two_messages(calm: Desk) -> None:
    calm.stands(A, DOWN)
    calm.wait(minutes=5)
    calm.stands(A, UP)
    calm.stands(B, DOWN)

    told = calm.wait(minutes=5)

    assert [(n.kind, n.services) for n in told] == [
        (NotificationKind.FIRING, (B,)),
        (NotificationKind.RESOLVED, (A,)),
    ]


def test_a_suspension_that_is_not_sure_is_told_when_it_is(calm: Desk) -> None:
    calm.stands(A, DOWN, is_sure=False)
    assert calm.wait(minutes=3) == []

    calm.stands(A, DOWN, is_sure=True)

    assert kinds(calm.wait(seconds=1)) == [NotificationKind.FIRING]


def test_a_suspension_that_stays_unsure_is_told_after_five_minutes(calm: Desk) -> None:
    calm.stands(A, DOWN, is_sure=False)
    assert calm.wait(minutes=4.9) == []

    assert kinds(calm.wait(minutes=1)) == [NotificationKind.FIRING]


def test_a_service_that_is_still_bad_is_told_again_by_age(calm: Desk) -> None:
    calm.stands(A, DOWN)
    assert kinds(calm.wait(hours=9)) == [
        NotificationKind.FIRING,
        NotificationKind.REMINDER,
        NotificationKind.REMINDER,
    ]

    calm.stands(A, UP)
    assert kinds(calm.wait(hours=9)) == [NotificationKind.RESOLVED]


@pytest.mark.parametrize("status", [Status.RETIRED, Status.MAINTENANCE])
def test_what_was_announced_is_told_only_once(calm: Desk, status: Status) -> None:
    calm.stands(A, status)

    assert kinds(calm.wait(hours=20)) == [NotificationKind.FIRING]


def test_reminders_can_be_switched_off(calm: Desk) -> None:
    calm.rules = AlertRules(remind_after=None)
    calm.stands(A, DOWN)

    assert kinds(calm.wait(days=3)) == [NotificationKind.FIRING]


def test_nobody_is_reminded_of_what_nobody_watches(calm: Desk) -> None:
    calm.stands(A, DOWN)
    calm.wait(minutes=5)
    calm.stands(A, Status.UNKNOWN)

    assert calm.wait(hours=20) == []


def flap(desk: Desk, times: int) -> list[Notification]:
    told = []
    for number in range(times):
        desk.stands(A, UP if number % 2 else DOWN)
        told += desk.wait(minutes=10)
    return told


def test_more_than_three_changes_an_hour_are_told_as_flapping(calm: Desk) -> None:
    told = flap(calm, 8)

    assert kinds(told) == [
        NotificationKind.FIRING,
        NotificationKind.RESOLVED,
        NotificationKind.FIRING,
        NotificationKind.FLAPPING,
    ]


def test_three_changes_an_hour_are_told_as_such(calm: Desk) -> None:
    assert kinds(flap(calm, 3)) == [
        NotificationKind.FIRING,
        NotificationKind.RESOLVED,
        NotificationKind.FIRING,
    ]


@pytest.mark.parametrize(("times", "status"), [(5, DOWN), (6, UP)])
def test_flapping_ends_with_an_hour_without_a_change(
    calm: Desk, times: int, status: Status
) -> None:
    flap(calm, times)
    assert calm.wait(minutes=49) == []

    (told,) = calm.wait(minutes=15)

    assert (told.kind, told.changes[0].after) == (NotificationKind.FLAPPING_ENDED, status)
    assert calm.wait(hours=1) == []


def test_after_flapping_single_changes_are_told_again(calm: Desk) -> None:
    flap(calm, 5)
    calm.wait(hours=2)

    calm.stands(A, UP)

    assert kinds(calm.wait(minutes=5)) == [NotificationKind.RESOLVED]


def test_our_own_network_is_told_exactly_once_and_freezes_the_rest(calm: Desk) -> None:
    calm.stands(A, DOWN)
    calm.network(is_down=True)
    calm.stands(B, DOWN)
    calm.stands(OTHER, DOWN)

    assert kinds(calm.wait(hours=9)) == [NotificationKind.NETWORK_DOWN]


def test_what_was_only_our_network_is_never_told(calm: Desk) -> None:
    calm.network(is_down=True)
    calm.stands(A, DOWN)
    calm.wait(minutes=5)

    calm.network(is_down=False)
    up = calm.wait(seconds=20)
    calm.stands(A, UP)

    assert kinds(up) == [NotificationKind.NETWORK_UP]
    assert calm.wait(hours=1) == []


def test_a_key_that_is_refused_is_one_message_for_all_its_services(calm: Desk) -> None:
    calm.stands(A, UP, blocked=FailureKind.AUTH)
    assert calm.wait(seconds=30) == []
    calm.stands(B, UP, blocked=FailureKind.AUTH)

    (told,) = calm.wait(hours=1)

    assert (told.kind, told.services) == (NotificationKind.KEY_BLOCKED, (A, B))
    assert told.facts == {"upstream": "openai", "failure": "auth"}


def test_a_key_that_one_service_knows_of_is_told_after_a_minute(calm: Desk) -> None:
    calm.stands(A, UP, blocked=FailureKind.QUOTA)

    (told,) = calm.wait(hours=1)

    assert (told.services, told.facts["failure"]) == ((A,), "quota")


def test_a_key_that_works_again_is_told_once(calm: Desk) -> None:
    calm.stands(A, UP, blocked=FailureKind.QUOTA)
    calm.stands(B, UP, blocked=FailureKind.QUOTA)
    calm.wait(minutes=5)

    calm.stands(A, UP)
    assert calm.wait(minutes=5) == []
    calm.stands(B, UP)

    assert kinds(calm.wait(hours=1)) == [NotificationKind.KEY_ACCEPTED]


def test_a_shutdown_is_told_once_on_each_of_the_days(calm: Desk) -> None:
    calm.shut_down(A, date(2026, 12, 25), replacement="sora-3")
    calm.shut_down(B, date(2026, 12, 25))

    told = calm.wait(days=40)

    assert [notification.facts["days"] for notification in told] == [30, 7, 1]
    assert {notification.services for notification in told} == {(A, B)}
    assert told[0].facts["replacement"] == "sora-3"
    assert told[0].facts["date"] == "2026-12-25"


def test_who_starts_late_hears_of_a_shutdown_once(calm: Desk) -> None:
    calm.shut_down(A, date(2026, 11, 25))

    assert [told.facts["days"] for told in calm.wait(hours=1)] == [5]


def test_a_shutdown_that_moves_is_told_anew(calm: Desk) -> None:
    calm.shut_down(A, date(2026, 11, 25))
    calm.wait(hours=1)

    calm.shut_down(A, date(2026, 11, 26))

    assert kinds(calm.wait(hours=1)) == [NotificationKind.SHUTDOWN_AHEAD]


def test_a_restart_neither_repeats_nor_forgets(calm: Desk) -> None:
    calm.shut_down(OTHER, date(2026, 11, 25))
    calm.stands(A, DOWN)
    calm.wait(minutes=5)
    calm.stands(B, DOWN, blocked=FailureKind.AUTH)
    calm.restart()

    calm.stands(A, DOWN)

    assert kinds(calm.wait(minutes=5)) == [NotificationKind.FIRING, NotificationKind.KEY_BLOCKED]


def test_a_service_that_was_removed_is_forgotten(calm: Desk) -> None:
    calm.stands(A, DOWN)
    calm.wait(minutes=5)
    del calm.roster[A]

    assert calm.wait(hours=9) == []
    assert A not in calm.state.service_alerts


def test_a_state_that_cannot_be_read_is_an_empty_one() -> None:
    with capture_logs() as logs:
        assert load_alert_state('{"service_alerts": 7}') == AlertState()
        assert load_alert_state("") == AlertState()
    assert [entry["event"] for entry in logs] == ["alerts.state_unreadable"] * 2


Step = bool | int | tuple[ServiceId, Status, bool, FailureKind | None]
STEPS: st.SearchStrategy[list[Step]] = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([A, B, OTHER]),
            st.sampled_from(list(Status)),
            st.booleans(),
            st.sampled_from([None, FailureKind.AUTH, FailureKind.QUOTA]),
        ),
        st.integers(1, 7200),
        st.booleans(),
    ),
    max_size=30,
)


def play(desk: Desk, steps: Sequence[Step]) -> None:
    for step in steps:
        match step:
            case bool():
                desk.network(is_down=step)
            case int():
                desk.wait(seconds=step)
            case (service, status, is_sure, blocked):
                desk.stands(service, status, is_sure=is_sure, blocked=blocked)


@given(STEPS)
def test_a_state_survives_being_stored(steps: list[Step]) -> None:
    desk = Desk()

    play(desk, steps)

    assert load_alert_state(dump_alert_state(desk.state)) == desk.state


@given(STEPS)
def test_a_recovery_is_told_only_of_what_was_told_to_be_bad(steps: list[Step]) -> None:
    desk = Desk()

    play(desk, steps)

    firing: set[ServiceId] = set()
    for told in desk.told:
        if told.kind in {NotificationKind.RESOLVED, NotificationKind.REMINDER}:
            assert firing >= set(told.services)
        if told.kind in {
            NotificationKind.FIRING,
            NotificationKind.RESOLVED,
            NotificationKind.FLAPPING_ENDED,
        }:
            firing -= set(told.services)
            firing |= {change.service for change in told.changes if change.after is not UP}


@given(STEPS)
def test_our_network_is_told_to_be_down_and_up_in_turns(steps: list[Step]) -> None:
    desk = Desk()

    play(desk, steps)

    network = [
        kind
        for kind in kinds(desk.told)
        if kind in {NotificationKind.NETWORK_DOWN, NotificationKind.NETWORK_UP}
    ]
    assert network[::2] == [NotificationKind.NETWORK_DOWN] * len(network[::2])
    assert network[1::2] == [NotificationKind.NETWORK_UP] * len(network[1::2])


@given(STEPS)
def test_what_stands_for_an_hour_was_told(steps: list[Step]) -> None:
    desk = Desk()
    play(desk, steps)

    desk.network(is_down=False)
    desk.wait(hours=1.5)

    for watch in desk.state.service_alerts.values():
        assert watch.notified_status is watch.alertable_status
        assert watch.pending_since is None
        assert not watch.is_flapping
