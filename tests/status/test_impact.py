"""The impact of single troubles on the whole."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.status import Access, Status
from tallylight.status.views.impact import Impact, WeighedStatus, overall_impact, weighed_status
from tests.builders import service_named

UP, SLOW, RISKY, OUT = (
    Status.OPERATIONAL,
    Status.DEGRADED,
    Status.RISK_CONTROL,
    Status.SUSPENDED,
)


def official(*statuses: Status) -> list[WeighedStatus]:
    return [WeighedStatus(each, 1.0, is_principal=True) for each in statuses]


def reverse(*statuses: Status) -> list[WeighedStatus]:
    return [WeighedStatus(each, 0.25, is_principal=False) for each in statuses]


@pytest.mark.parametrize(
    ("services", "impact"),
    [
        ([], "none"),
        (official(UP, UP), "none"),
        (official(UP, UP) + reverse(*[UP] * 5, OUT), "minor"),  # one paused reseller of eight
        (reverse(*[UP] * 7, OUT), "minor"),
        (official(UP) + reverse(OUT, OUT, OUT, OUT), "minor"),
        (reverse(OUT, OUT), "minor"),
        (official(*[UP] * 20) + reverse(SLOW), "none"),
        (official(*[UP] * 20, SLOW), "minor"),
        (official(UP, SLOW), "minor"),
        (official(UP, RISKY), "major"),
        (official(UP, OUT), "major"),
        (official(OUT, OUT), "critical"),
        (official(OUT, Status.RETIRED), "critical"),
        (official(UP, Status.RETIRED), "none"),
        (official(Status.RETIRED), "none"),
        (official(UP, Status.UNKNOWN), "none"),
        (official(Status.UNKNOWN), "minor"),
        (official(UP, Status.MAINTENANCE), "maintenance"),
        (official(Status.MAINTENANCE) + reverse(OUT), "minor"),
    ],
)
def test_the_impact_weighs_the_services(services: list[WeighedStatus], impact: str) -> None:
    assert overall_impact(services) == impact


@pytest.mark.parametrize(
    ("access", "own", "expected"),
    [
        (Access.OFFICIAL, None, (1.0, True)),
        (Access.SELF_HOSTED, None, (1.0, True)),
        (Access.REVERSE, None, (0.25, False)),
        (Access.REVERSE, 1.0, (1.0, True)),
        (Access.OFFICIAL, 0.5, (0.5, True)),
        (Access.OFFICIAL, 0.0, (0.0, False)),
    ],
)
def test_the_weight_follows_the_access_unless_the_operator_says_otherwise(
    access: Access, own: float | None, expected: tuple[float, bool]
) -> None:
    service = replace(service_named("a"), access=access, own_status_weight=own)

    found = weighed_status(service, UP)

    assert (found.weight, found.is_principal) == expected


@given(st.lists(st.sampled_from(Status)), st.lists(st.sampled_from(Status)))
def test_resellers_alone_are_never_more_than_minor(
    officials: list[Status], resellers: list[Status]
) -> None:
    well = [each for each in officials if each not in {SLOW, RISKY, OUT}]

    assert overall_impact(official(*well) + reverse(*resellers)) in {
        Impact.NONE,
        Impact.MINOR,
        Impact.MAINTENANCE,
    }
