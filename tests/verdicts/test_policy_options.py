from datetime import timedelta

import pytest
from pydantic import ValidationError

from tallylight.model.status import Access
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.policy import Policy

TTLS = {"api_ttl": timedelta(minutes=2), "jobs_ttl": timedelta(hours=6)}


def test_an_empty_section_gives_the_policy_that_the_rules_were_measured_with() -> None:
    assert PolicyOptions().policy(access=Access.OFFICIAL, **TTLS) == Policy()


def test_options_reach_the_policy() -> None:
    options = PolicyOptions(suspended_after=timedelta(minutes=3), slow_factor=4)

    policy = options.policy(access=Access.REVERSE, **TTLS)

    assert (policy.suspended_after, policy.slow_factor) == (timedelta(minutes=3), 4)
    assert policy.access is Access.REVERSE


@pytest.mark.parametrize(
    "section", [{"up_at": 0.985}, {"down_at": 1.0}, {"mtbf": 0}, {"tpyo": 1}, {"alert_at": 0.9}]
)
def test_invalid_figures_are_refused(section: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PolicyOptions.model_validate(section)
