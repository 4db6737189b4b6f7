"""The trace file: its format and its errors."""

from collections.abc import Callable
from decimal import Decimal

import pytest

from tallylight.errors import ConfigurationError
from tallylight.model.ids import ServiceId
from tallylight.model.status import Access, Status
from tallylight.rehearsal.behaviour import Behaviour, Recipe, ServiceGroup
from tallylight.rehearsal.generate import generate_trace
from tallylight.rehearsal.recipes import load_recipe, load_trace, recipe_names
from tallylight.rehearsal.trace import Trace, dump_trace, parse_trace
from tallylight.rehearsal.world import rehearsed_services

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
