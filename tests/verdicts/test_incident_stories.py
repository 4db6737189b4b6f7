from datetime import UTC, datetime, timedelta

from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Incident, Reason, ReasonCode, Transition, Verdict
from tallylight.verdicts.incidents import apply_transition, ended

START = datetime(2026, 1, 28, 9, 30, tzinfo=UTC)
SERVICE = ServiceId("sora-2")


def incidents_after(*statuses: Status) -> list[Incident | None]:
    """Return the incident after each of these transitions, an hour apart."""
    result: list[Incident | None] = []
    before = verdict(Status.OPERATIONAL, START)
    for hour, status in enumerate(statuses):
        at = START + timedelta(hours=hour)
        after = verdict(status, at)
        transition = Transition(SERVICE, at, at + timedelta(minutes=5), before, after)
        result.append(apply_transition(result[-1] if result else None, transition))
        before = after
    return result


def verdict(status: Status, at: datetime) -> Verdict:
    return Verdict(SERVICE, status, at, 0.97, (Reason(ReasonCode.JOBS_FAILING, at),))


def test_trouble_opens_an_incident_and_recovery_ends_it() -> None:
    opened, worse, ended = incidents_after(Status.DEGRADED, Status.SUSPENDED, Status.OPERATIONAL)

    assert opened is not None
    assert worse is not None
    assert ended is not None
    assert opened.id == worse.id == ended.id == "sora-2-20260128T093000Z"
    assert (opened.worst, worse.worst, ended.worst) == (
        Status.DEGRADED,
        Status.SUSPENDED,
        Status.SUSPENDED,
    )
    assert worse.ended_at is None
    assert ended.ended_at == START + timedelta(hours=2)
    assert [update.status for update in ended.updates] == [
        Status.DEGRADED,
        Status.SUSPENDED,
        Status.OPERATIONAL,
    ]


def test_unknown_within_an_incident_does_not_end_it() -> None:
    silent = incidents_after(Status.RISK_CONTROL, Status.UNKNOWN)[-1]

    assert silent is not None
    assert silent.ended_at is None
    assert silent.worst is Status.RISK_CONTROL


def test_free_checks_end_an_incident_that_only_they_have_seen() -> None:
    opened = incidents_after(Status.SUSPENDED)[-1]
    at = START + timedelta(hours=1)
    before, after = verdict(Status.SUSPENDED, START), verdict(Status.UNKNOWN, at)

    over = apply_transition(opened, Transition(SERVICE, at, at, before, after), at)

    assert over is not None
    assert (over.ended_at, over.worst) == (at, Status.SUSPENDED)
    assert [update.status for update in over.updates] == [Status.SUSPENDED, Status.UNKNOWN]


def test_free_checks_that_were_missing_end_it_without_a_transition() -> None:
    silent = incidents_after(Status.SUSPENDED, Status.UNKNOWN)[-1]
    at = START + timedelta(hours=3)
    assert silent is not None

    over = ended(silent, verdict(Status.UNKNOWN, START + timedelta(hours=1)), at)

    assert over.ended_at == over.updates[-1].at == at
    assert len(over.updates) == 3


def test_retirement_ends_an_incident() -> None:
    retired = incidents_after(Status.SUSPENDED, Status.RETIRED)[-1]

    assert retired is not None
    assert retired.ended_at == START + timedelta(hours=1)
    assert retired.worst is Status.SUSPENDED


def test_maintenance_retirement_and_unknown_open_none() -> None:
    assert incidents_after(Status.MAINTENANCE, Status.UNKNOWN, Status.RETIRED) == [None, None, None]


def test_trouble_after_an_ended_incident_opens_another() -> None:
    result = incidents_after(Status.DEGRADED, Status.OPERATIONAL, Status.DEGRADED)

    assert result[2] is not None
    assert result[2].started_at == START + timedelta(hours=2)
    assert len(result[2].updates) == 1
