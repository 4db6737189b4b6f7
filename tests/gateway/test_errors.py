"""The error of a create that no service can serve."""

import pytest

from tallylight.gateway.errors import no_service_error
from tallylight.gateway.routing.ranking import Exclusion, ExclusionReason, Ranking
from tallylight.gateway.routing.routes import Route
from tallylight.model.ids import ServiceId

A, B = ServiceId("a"), ServiceId("b")


@pytest.mark.parametrize(
    ("fields", "param"), [(("seconds", "seconds"), "seconds"), (("seconds", "size"), "")]
)
def test_a_field_that_no_service_can_serve_is_named(fields: tuple[str, str], param: str) -> None:
    excluded = tuple(
        Exclusion(service, ExclusionReason.CAPABILITY, field, "7", "4, 8")
        for service, field in zip((A, B), fields, strict=True)
    )

    refusal = no_service_error(Route("boats", (A, B)), Ranking((), excluded))

    assert (refusal.status, refusal.code, refusal.param) == (400, "invalid_value", param)


def test_a_measure_that_no_service_may_be_sent_is_named() -> None:
    excluded = Exclusion(A, ExclusionReason.UNPRICED, "metadata.n", "'metadata.n'", "leave it out")

    refusal = no_service_error(Route("boats", (A,)), Ranking((), (excluded,)))

    assert (refusal.status, refusal.param) == (400, "metadata.n")
    assert refusal.message == (
        "No service of 'boats' can do this. a: has a price that 'metadata.n' could change; "
        "leave it out"
    )
