"""What receivers are told of a rehearsed world: each outage once, and no single one as flapping."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise

from tallylight.alerts.notification import Notification, NotificationKind
from tallylight.alerts.rules import evaluate, observe_verdict
from tallylight.alerts.state import AlertRules, AlertState
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Verdict
from tallylight.rehearsal.recipes import load_trace
from tallylight.rehearsal.run import RehearsalOptions, run_rehearsal
from tallylight.rehearsal.score import RuleResult
from tallylight.rehearsal.world import rehearsed_services
from tests.builders import service_named

DAYS, SERVICES = 5, 6
_QUIET = timedelta(hours=3)  # longer than any rule waits, reminders excepted
_STEP = timedelta(minutes=1)
_WELL = frozenset({Status.OPERATIONAL, Status.UNKNOWN})


def replay(result: RuleResult) -> tuple[list[Notification], int]:
    """Return what the rules notify of what was shown, and the number of shown outages."""
    id_ = ServiceId(result.service.id)
    rules = AlertRules(remind_after=None)
    members = {id_: service_named(id_, provider="maker")}
    state, sent, outages, is_bad = AlertState(), list[Notification](), 0, False
    last = result.changes[-1]
    for change, following in pairwise((*result.changes, last)):
        if change.status is not Status.UNKNOWN:
            outages += not is_bad and change.status not in _WELL
            is_bad = change.status not in _WELL
        verdict = Verdict(id_, change.status, change.at, 1.0, ())
        state = observe_verdict(state, verdict, change.at, rules)
        end = min(following.at, change.at + _QUIET) if following is not last else change.at + _QUIET
        now: datetime = change.at
        while now < end:
            state, more = evaluate(state, now, rules, members)
            sent += more
            now += _STEP
    return sent, outages


def test_no_outage_of_the_reference_world_is_notified_as_flapping() -> None:
    whole = load_trace("reference")
    services = dict(list(whole.services.items())[:SERVICES])
    trace = whole.model_copy(update={"services": services, "duration": DAYS * 86_400})

    results = run_rehearsal(rehearsed_services(trace, 0), trace.days, RehearsalOptions())
    replayed = [replay(result) for result in results]

    told = Counter(each.kind for sent, _ in replayed for each in sent)
    outages = sum(count for _, count in replayed)
    assert outages > SERVICES
    assert NotificationKind.FLAPPING not in told
    assert 0 < told[NotificationKind.RESOLVED] <= outages
