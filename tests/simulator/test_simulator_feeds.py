"""Status pages: their delays and omissions."""

from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tallylight.simulator.faults import FAULT_ADAPTER, ReportedStatus
from tallylight.simulator.outcomes import FaultInterval
from tallylight.simulator.scenario import Scenario
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.status_reports import actual_intervals, build_report
from tallylight.simulator.world import Simulation

Start = Callable[..., Awaitable[Simulation]]
Get = Callable[..., Awaitable[dict[str, object]]]

STATUSPAGE_PATHS = [
    "status",
    "summary",
    "components",
    "incidents",
    "incidents/unresolved",
    "scheduled-maintenances",
    "scheduled-maintenances/upcoming",
    "scheduled-maintenances/active",
]
OUTAGE = FAULT_ADAPTER.validate_python({"kind": "refuse", "sign": "overloaded"})


@pytest.fixture
def get(http: aiohttp.ClientSession) -> Get:
    """Get the JSON of one path of a status page."""

    async def get(world: Simulation, feed: str, path: str) -> dict[str, object]:
        async with http.get(world.feed_urls[feed] + path) as response:
            assert response.status == 200, path
            document = await response.json()
            assert isinstance(document, dict)
            return document

    return get


def scenario(**feed: object) -> Scenario:
    document = YAML(typ="safe", pure=True).load(
        """
        title: One page
        start: 2026-01-28T09:00:00Z
        upstreams:
          seller: {provider: s, protocol: openai_videos, dialect: openai, keys: [k], feed: page}
        services:
          video:
            name: Video
            upstream: seller
            model: v
            access: official
            price: {unit: per_call, rates: {"*": "1"}}
            lengths: [4]
            sizes: ["1280x720"]
            component: Video
        feeds:
          page: {format: statuspage, title: Seller, components: [Website]}
        """
    )
    document["feeds"]["page"] |= feed
    return Scenario.model_validate(document)


@pytest.mark.parametrize("path", STATUSPAGE_PATHS)
async def test_every_path_of_a_statuspage_exists(start: Start, get: Get, path: str) -> None:
    world = await start()

    body = await get(world, "relay-b", f"/api/v2/{path}.json")

    page = body["page"]
    assert isinstance(page, dict)
    assert page["name"] == "Relay B"


async def test_a_page_without_faults_is_operational(start: Start, get: Get) -> None:
    world = await start()

    summary = await get(world, "relay-b", "/api/v2/summary.json")

    assert summary["status"] == {"indicator": "none", "description": "All Systems Operational"}
    assert isinstance(summary["components"], list)
    assert [(one["name"], one["status"]) for one in summary["components"]] == [
        ("Website", "operational"),
        ("Video", "operational"),
    ]


async def test_the_page_reports_an_outage_with_its_incident(start: Start, get: Get) -> None:
    world = await start(faults={"veo-3.1-reverse": [{"kind": "refuse", "sign": "overloaded"}]})

    summary = await get(world, "relay-b", "/api/v2/summary.json")

    assert isinstance(summary["incidents"], list)
    (incident,) = summary["incidents"]
    assert (incident["status"], incident["impact"]) == ("investigating", "critical")
    assert incident["incident_updates"][0]["affected_components"][0]["name"] == "Video"
    assert isinstance(summary["status"], dict)
    assert summary["status"]["indicator"] == "critical"


async def test_the_statuspage_api_of_incident_io_has_its_gaps(
    start: Start, get: Get, http: aiohttp.ClientSession
) -> None:
    world = await start(faults={"sora-2-official": [{"kind": "stall"}]})

    summary = await get(world, "openai", "/api/v2/summary.json")
    incidents = await get(world, "openai", "/api/v2/incidents.json")
    url = f"{world.feed_urls['openai']}/api/v2/incidents/unresolved.json"
    async with http.get(url) as response:
        assert response.status == 404

    assert "incidents" not in summary
    assert isinstance(incidents["incidents"], list)
    assert incidents["incidents"][0]["incident_updates"][0]["body"] == ""


async def test_the_widgets_of_incident_io_call_a_major_outage_full_outage(
    start: Start, get: Get
) -> None:
    world = await start(faults={"sora-2-official": [{"kind": "refuse", "sign": "overloaded"}]})

    summary = await get(world, "openai", "/api/v1/summary")
    proxy = await get(world, "openai", "/proxy/status.example.com")
    incidents = await get(world, "openai", "/proxy/status.example.com/incidents")
    impacts = await get(world, "openai", "/proxy/status.example.com/component_impacts")

    assert isinstance(summary["ongoing_incidents"], list)
    (incident,) = summary["ongoing_incidents"]
    assert incident["current_worst_impact"] == "full_outage"
    assert incident["affected_components"][0]["name"] == "Sora"
    assert isinstance(proxy["summary"], dict)
    assert proxy["summary"]["affected_components"][0]["status"] == "full_outage"
    assert isinstance(incidents["incidents"], list)
    assert incidents["incidents"][0]["updates"][0]["to_status"] == "investigating"
    assert isinstance(impacts["component_impacts"], list)
    assert impacts["component_impacts"][0]["end_at"] is None


@pytest.mark.parametrize("header", ["if-none-match", "if-modified-since"])
async def test_an_unchanged_page_is_304(
    start: Start, http: aiohttp.ClientSession, header: str
) -> None:
    world = await start()
    url = f"{world.feed_urls['relay-b']}/api/v2/summary.json"
    async with http.get(url) as response:
        whole = response.headers["etag"], response.headers["last-modified"]
    validator = {"if-none-match": whole[0], "if-modified-since": whole[1]}[header]

    async with http.get(url, headers={header: validator}) as again:
        assert (again.status, await again.read()) == (304, b"")
        assert again.headers["etag"] == whole[0]
    world.override_faults("veo-3.1-reverse", (OUTAGE,))
    async with http.get(url, headers={"if-none-match": whole[0]}) as changed:
        assert changed.status == 200
        assert parsedate_to_datetime(changed.headers["last-modified"]) >= parsedate_to_datetime(
            whole[1]
        )


@pytest.mark.parametrize(
    ("form", "status", "kind"),
    [
        ("html", 200, "text/html"),
        ("not_found", 404, "text/plain"),
        ("error", 502, "text/html"),
        ("truncated_json", 200, "text/plain"),
    ],
)
async def test_the_page_itself_may_be_broken(
    http: aiohttp.ClientSession, form: str, status: int, kind: str
) -> None:
    async with (
        serve_simulation(scenario(faults=[{"response": form}])) as world,
        http.get(f"{world.feed_urls['page']}/api/v2/summary.json") as got,
    ):
        assert (got.status, got.content_type) == (status, kind)


def statuses(
    world: Scenario, second: float, *intervals: FaultInterval
) -> Mapping[str, ReportedStatus]:
    return build_report(world, "page", {"video": intervals}, second).components


@given(st.floats(0, 5000), st.floats(0, 10_000))
def test_a_page_reports_an_outage_after_its_lag_and_not_before(lag: float, second: float) -> None:
    outage = FaultInterval(100, None, (OUTAGE,))

    status = statuses(scenario(lag=lag), second, outage)["Video"]

    assert (status is ReportedStatus.MAJOR_OUTAGE) == (second >= 100 + lag)


@given(st.floats(0, 10_000))
def test_a_blind_page_reports_no_outages(second: float) -> None:
    report = build_report(
        scenario(blind=1), "page", {"video": [FaultInterval(0, None, (OUTAGE,))]}, second
    )

    assert report.incidents == ()
    assert set(report.components.values()) == {ReportedStatus.OPERATIONAL}


@given(st.floats(0, 1000), st.floats(0, 1000))
def test_a_page_never_withdraws_a_report(one: float, other: float) -> None:
    outages = [FaultInterval(50, 200, (OUTAGE,)), FaultInterval(400, 700, (OUTAGE,))]

    early = build_report(scenario(), "page", {"video": outages}, min(one, other))
    late = build_report(scenario(), "page", {"video": outages}, max(one, other))

    updates = {incident.id: incident.updates for incident in late.incidents}
    for incident in early.incidents:
        assert updates[incident.id][: len(incident.updates)] == incident.updates
    assert early.changed_at <= late.changed_at


def test_components_are_operational_while_an_incident_is_monitored() -> None:
    outage = FaultInterval(0, 100, (OUTAGE,))

    report = build_report(scenario(), "page", {"video": [outage]}, 110)

    assert [incident.status for incident in report.open_incidents] == ["monitoring"]
    assert report.components["Video"] is ReportedStatus.OPERATIONAL
    assert not build_report(scenario(), "page", {"video": [outage]}, 131).open_incidents


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"kind": "false_report", "status": "partial_outage"}, "partial_outage"),
        ({"kind": "slow"}, "degraded_performance"),
        ({"kind": "refuse", "sign": "maintenance"}, "under_maintenance"),
        ({"kind": "refuse", "http_status": 500, "feed": "operational"}, "operational"),
        ({"kind": "retire"}, "operational"),
        ({"kind": "deliver_defective", "defect": "black"}, "operational"),
        ({"kind": "hang"}, "partial_outage"),
    ],
)
def test_each_fault_has_a_reported_status(fault: object, expected: str) -> None:
    interval = FaultInterval(0, None, (FAULT_ADAPTER.validate_python(fault),))

    assert statuses(scenario(), 10, interval)["Video"] == expected


def test_a_maintenance_is_scheduled_in_progress_and_completed() -> None:
    plan = {"name": "Upgrade", "components": ["Website"], "announced": 10, "from": 100, "to": 200}
    world = scenario(maintenances=[plan])

    phases = [
        [one.status for one in build_report(world, "page", {}, second).maintenances]
        for second in (0, 50, 150, 250)
    ]

    assert phases == [[], ["scheduled"], ["in_progress"], ["completed"]]
    assert statuses(world, 150)["Website"] is ReportedStatus.UNDER_MAINTENANCE


def test_overrides_cut_the_script_that_a_page_reports() -> None:
    script = [FaultInterval(0, 100, (OUTAGE,))]

    intervals = actual_intervals(
        script, [FaultInterval(40, 60, ()), FaultInterval(200, None, (OUTAGE,))]
    )

    assert [(one.start, one.end) for one in intervals] == [(0, 40), (60, 100), (200, None)]


def test_an_incident_that_an_override_ends_keeps_its_id() -> None:
    script = [FaultInterval(0, None, (OUTAGE,))]
    before = build_report(scenario(), "page", {"video": script}, 50)

    after = build_report(
        scenario(), "page", {"video": actual_intervals(script, [FaultInterval(60, None, ())])}, 100
    )

    assert [one.id for one in after.incidents] == [one.id for one in before.incidents]
    assert [one.status for one in after.incidents] == ["resolved"]
