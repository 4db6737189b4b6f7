"""One story of a page, told by the twin of every format and read for status and claims."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from tallylight.model.status import Status
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.outcomes import FaultInterval
from tallylight.simulator.protocols.feeds import RESPONSE_BODIES
from tallylight.simulator.protocols.statuspage import PageSnapshot
from tallylight.simulator.scenario import FEED_PATHS
from tallylight.simulator.status_reports import build_report
from tallylight.upstreams.feeds.claims import PageClaims, claims_after
from tallylight.upstreams.feeds.claims_formats import CLAIMS_APIS
from tallylight.upstreams.feeds.notation import Notation
from tallylight.upstreams.feeds.reading import FeedReading, component_reading
from tallylight.upstreams.feeds.registry import FEED_READERS
from tests.upstreams.one_page import one_page

ZERO = datetime(2026, 11, 20, 9, tzinfo=UTC)
DOWN = {"kind": "refuse", "sign": "overloaded"}
PARTLY_DOWN = DOWN | {"share": 0.5}
PLAN = {"name": "Upgrade", "components": ["Video API"], "announced": 2000, "from": 3000, "to": 3600}
SCENARIO = one_page("statuspage", start="2026-11-20T09:00:00Z", maintenances=[PLAN])
STORY = {
    "video": [
        FaultInterval(100, 200, (FAULT_ADAPTER.validate_python(PARTLY_DOWN),)),
        FaultInterval(600, 1200, (FAULT_ADAPTER.validate_python(DOWN),)),
    ]
}
# These formats do not say what the others do.
NO_MAINTENANCE = {"google", "rss", "atom"}
NOTHING_AHEAD = {"google", "incident_io", "rootly", "rss", "atom"}
NAMES_NO_COMPONENT = {"instatus", "rootly"}
CLAIMS_NO_COMPONENT = NAMES_NO_COMPONENT | {"rss", "atom"}
NO_SEVERITY = {"rootly", "atom"}


def at(second: float) -> datetime:
    return ZERO + timedelta(seconds=second)


def bodies(format_: str, second: float) -> Mapping[str, object]:
    """Return the body of each path of the twin at a second."""
    page = PageSnapshot(
        id="page",
        title="Page",
        url="https://status.example.com",
        report=build_report(SCENARIO, "page", STORY, second),
        rfc3339=lambda moment: f"{at(moment):%Y-%m-%dT%H:%M:%S}.000Z",
    )
    return {path: body(page) for path, body in RESPONSE_BODIES[format_].items()}


def decoded(notation: Notation, body: object) -> object:
    """Return what the reader decodes of a body."""
    return notation.decode(body if isinstance(body, str) else json.dumps(body))


def reading(format_: str, second: float, component: str = "Video API") -> FeedReading:
    api = FEED_READERS[format_].apis[0]
    answers = bodies(format_, second)
    urls = api.urls(FEED_PATHS.get(format_, ""))
    page = api.parse([decoded(api.notation, answers.get(url)) for url in urls])
    assert page is not None
    return component_reading(page, component)


def claims(format_: str, second: float, before: PageClaims | None = None) -> PageClaims:
    api = CLAIMS_APIS[format_]
    answers = bodies(format_, second)
    paths = [url.partition("?")[0] for url in api.urls(FEED_PATHS.get(format_, ""))]
    documents = [decoded(api.notation, answers.get(path)) for path in paths]
    found = claims_after(api, documents, before, at(second))
    assert found is not None
    return found


@pytest.mark.parametrize("format_", FEED_READERS)
def test_a_page_is_read_through_trouble_outage_and_end(format_: str) -> None:
    seconds = (0, 150, 700, 1210, 1300)

    statuses = [reading(format_, second).claimed_status for second in seconds]

    # An incident that is being watched is open; on most pages the components are green by then.
    outage = Status.DEGRADED if format_ in NO_SEVERITY else Status.SUSPENDED
    watched = outage if format_ in {"google", "rss"} else Status.DEGRADED
    assert statuses == [
        Status.OPERATIONAL,
        Status.DEGRADED,
        outage,
        watched,
        Status.OPERATIONAL,
    ]


@pytest.mark.parametrize("format_", FEED_READERS)
def test_a_page_dates_an_incident_and_names_it(format_: str) -> None:
    down = reading(format_, 700)

    assert down.note.removeprefix("[Video API] ") == "Video API: major outage"
    assert down.at is not None
    assert at(600) <= down.at <= at(700)


@pytest.mark.parametrize("format_", FEED_READERS)
def test_an_outage_of_another_component_is_not_ours(format_: str) -> None:
    status = reading(format_, 700, component="website").claimed_status

    assert status is (Status.DEGRADED if format_ in NAMES_NO_COMPONENT else Status.OPERATIONAL)


@pytest.mark.parametrize("format_", FEED_READERS)
def test_a_page_claims_its_past(format_: str) -> None:
    before = claims(format_, 700, claims(format_, 150))
    past = claims(format_, 1300, before).of("Video API").past(at(1300))

    worst = Status.DEGRADED if format_ == "atom" else Status.SUSPENDED
    assert [event.status for event in past] == [worst, Status.DEGRADED]
    outage = past[0]
    assert outage.start == at(600)
    assert outage.end is not None
    assert at(1200) <= outage.end <= at(1300)
    if format_ in CLAIMS_NO_COMPONENT:
        assert outage.affected == ()


@pytest.mark.parametrize("format_", FEED_READERS)
def test_planned_maintenance_is_read_ahead_of_it_and_during_it(format_: str) -> None:
    ahead, during = reading(format_, 2500), reading(format_, 3100)
    claimed = claims(format_, 2500).of("Video API").planned(at(2500))

    assert ahead.claimed_status is Status.OPERATIONAL
    is_shown = format_ not in NO_MAINTENANCE
    assert during.claimed_status is (Status.MAINTENANCE if is_shown else Status.OPERATIONAL)
    if format_ in NOTHING_AHEAD:
        assert (ahead.maintenances, claimed) == ((), ())
        return
    (plan,) = ahead.maintenances
    assert (plan.title, plan.start, plan.end) == ("Upgrade", at(3000), at(3600))
    (event,) = claimed
    assert (event.title, event.status) == ("Upgrade", Status.MAINTENANCE)
    assert (event.start, event.end) == (at(3000), at(3600))
