"""The trace file: its format and its errors."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from tallylight.errors import ConfigurationError
from tallylight.model.evidence import Depth
from tallylight.model.ids import ServiceId
from tallylight.model.status import Access, Status
from tallylight.rehearsal.behaviour import Behaviour, Recipe, ServiceGroup
from tallylight.rehearsal.generate import generate_trace
from tallylight.rehearsal.recipes import load_recipe, load_trace, recipe_names
from tallylight.rehearsal.trace import Trace, dump_trace, parse_trace
from tallylight.rehearsal.world import START, rehearsed_services

WHOLE = """{"duration": 172800, "services": {"sora-2-reverse": {"access": "reverse", "price": 0.12,
 "spells": [{"from": 0, "to": 86400, "status": "operational", "accept": 1.0, "deliver": 0.99,
 "latency": [60, 120], "reach": 1.0, "credentials": 1.0, "failure": {"http_status": 429,
 "body": "slow down"}}]}}, "feeds": {"sora-2-reverse": {"lag": 1200, "blind": 0.3}},
 "traffic": {"sora-2-reverse": 12}}"""


def test_the_documented_format_is_read() -> None:
    trace = parse_trace(WHOLE, "whole.json")

    service = trace.services[next(iter(trace.services))]
    assert (service.access, service.price) == (Access.REVERSE, Decimal("0.12"))
    assert service.intervals[0].deliver_probability == 0.99
    assert trace.days == 2


def test_a_dumped_trace_is_parsed_unchanged() -> None:
    trace = parse_trace(WHOLE, "whole.json")

    assert parse_trace(dump_trace(trace), "again.json") == trace


LYING = """{"duration": 86400, "services": {"a": {"spells": [{"from": 36000, "to": 43200,
 "status": "suspended"}]}}, "feeds": {"a": {"false": [{"from": 3600, "to": 7200},
 {"from": 39600, "to": 50000, "status": "degraded"}, {"from": 80000, "to": 90000}]}}}"""

UNLISTED = """{"duration": 86400, "services": {"a": {"spells": [{"from": 3600, "to": 7200,
 "status": "unlisted"}]}}}"""


def test_a_page_that_lies_is_red_in_its_false_reports_and_where_it_is_right() -> None:
    (service,) = rehearsed_services(parse_trace(LYING, "lying.json"), seed=0)

    shown = [(int((c.at - START).total_seconds()), c.status) for c in service.feed_changes()]

    assert shown == [
        (3600, Status.SUSPENDED),
        (7200, Status.OPERATIONAL),
        (36000, Status.SUSPENDED),
        (43200, Status.OPERATIONAL),
        (80000, Status.SUSPENDED),
    ]


def test_a_false_report_that_an_outage_interrupts_becomes_true() -> None:
    text = """{"duration": 86400, "services": {"a": {"spells": [{"from": 36000, "to": 43200,
     "status": "suspended"}]}}, "feeds": {"a": {"false": [{"from": 30000, "to": 50000}]}}}"""
    (service,) = rehearsed_services(parse_trace(text, "lying.json"), seed=0)

    seconds = [int((c.at - START).total_seconds()) for c in service.feed_changes()]

    assert seconds == [30000, 36000, 43200]


def test_an_unlisted_model_delivers_and_is_missing_in_the_list() -> None:
    (service,) = rehearsed_services(parse_trace(UNLISTED, "unlisted.json"), seed=0)
    at = START + timedelta(seconds=5000)

    failure = service.free_probe(Depth.CREDENTIALS, at)

    assert failure is not None
    assert failure.rule == "models:not_listed"
    assert service.free_probe(Depth.REACH, at) is None
    assert service.submit_job(at).failure is None
    assert service.outages() == ()


@pytest.mark.parametrize("text", [LYING, UNLISTED])
def test_false_reports_and_unlisted_models_are_written_as_they_are_read(text: str) -> None:
    trace = parse_trace(text, "trace.json")

    assert parse_trace(dump_trace(trace), "again.json") == trace
    assert "is_unlisted" not in dump_trace(trace)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('{"duration": 1, "services": {}}', "services", "at least one"),
        (
            (
                '{"duration": 1, "services": {"a": {"spells": '
                '[{"from": 1, "to": 0, "status": "operational"}]}}}'
            ),
            "services.a.spells.0",
            "'to' must be greater",
        ),
        (
            (
                '{"duration": 1, "services": {"a": {"spells": '
                '[{"from": 0, "to": 1, "status": "unknown"}]}}}'
            ),
            "services.a.spells.0.status",
            "cannot be unknown",
        ),
        (
            (
                '{"duration": 9, "services": {"a": {"spells": '
                '[{"from": 0, "to": 5, "status": "degraded"}, '
                '{"from": 4, "to": 6, "status": "degraded"}]}}}'
            ),
            "services.a.spells",
            "starts before",
        ),
        (
            '{"duration": 1, "services": {"a": {"acces": "reverse"}}}',
            "services.a.acces",
            "Did you mean",
        ),
        ('{"duration": 1, "services": {"a": {}}, "feeds": {"b": {}}}', "", "no service"),
        (
            (
                '{"duration": 9, "services": {"a": {}}, "feeds": {"a": '
                '{"false": [{"from": 2, "to": 1}]}}}'
            ),
            "feeds.a.false.0",
            "'to' must be greater",
        ),
        ("nonsense", "", "JSON"),
    ],
)
def test_an_error_names_its_key(text: str, place: str, reason: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_trace(text, "trace.json")

    problem = caught.value.problems[0]
    assert (problem.where, problem.key) == ("trace.json", place)
    assert reason in problem.reason


def test_a_service_is_operational_between_its_intervals(make_trace: Callable[..., Trace]) -> None:
    trace = make_trace({"from": 600, "to": 1200, "status": "suspended"})

    intervals = rehearsed_services(trace, 0)[0].intervals

    assert [(one.start, one.end, one.status) for one in intervals] == [
        (0, 600, Status.OPERATIONAL),
        (600, 1200, Status.SUSPENDED),
        (1200, 86_400, Status.OPERATIONAL),
    ]


@pytest.mark.parametrize("name", recipe_names())
def test_every_built_in_trace_can_be_generated_and_dumped(name: str) -> None:
    trace = load_trace(name)

    assert trace == load_trace(name)
    assert parse_trace(dump_trace(trace), name).services.keys() == trace.services.keys()


def test_the_market_of_january_has_the_reported_availability() -> None:
    trace = generate_trace(
        Recipe(
            days=3000,
            groups={
                name: ServiceGroup(behaviour=group.behaviour)
                for name, group in _groups("january-market").items()
            },
        )
    )

    away = {
        service.id: sum(o.end - o.start for o in service.outages()) / trace.duration
        for service in rehearsed_services(trace, 0)
    }

    assert away[ServiceId("sora-2-official")] == pytest.approx(0.0016, rel=0.25)
    assert away[ServiceId("sora-2-reverse")] == pytest.approx(0.15, abs=0.03)
    assert away[ServiceId("sora-2-pro-reverse")] == pytest.approx(0.30, abs=0.05)


def test_another_seed_gives_another_trace() -> None:
    recipe = Recipe(days=20, groups={"a": ServiceGroup(behaviour=Behaviour())})

    assert generate_trace(recipe) != generate_trace(recipe.model_copy(update={"seed": 2}))


def _groups(name: str) -> dict[str, ServiceGroup]:

    return dict(load_recipe(name).groups)
