"""What counts as the model asked for, and whose fault a lost video is."""

import pytest

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.probes.verify import is_same_model
from tallylight.upstreams.poll_state import as_upstream_fault


@pytest.mark.parametrize(
    ("named", "asked", "same"),
    [
        ("sora-2", "sora-2", True),
        ("Sora-2", "sora-2", True),
        ("sora-2-2025-12-08", "sora-2", True),
        ("openai/sora-2", "sora-2", True),
        ("sora-2", "openai/sora-2", True),
        ("sora-2-pro", "sora-2", False),
        ("sora-2", "sora-2-pro", False),
        ("sora-20", "sora-2", False),
        ("veo-3.1", "sora-2", False),
    ],
)
def test_a_dated_snapshot_is_the_model_and_a_sibling_is_not(
    named: str, asked: str, *, same: bool
) -> None:
    assert is_same_model(named, asked) is same


def test_a_video_that_is_not_there_is_the_fault_of_whoever_made_it() -> None:
    missing = Failure(FailureKind.INVALID_REQUEST, Fault.CALLER, "code:not_found", http_status=404)

    blamed = as_upstream_fault(missing)

    assert (blamed.kind, blamed.fault) == (FailureKind.DEGRADED, Fault.UPSTREAM)


def test_a_refused_key_stays_ours() -> None:
    refused = Failure(FailureKind.AUTH, Fault.OURS, "status:401", http_status=401)

    assert as_upstream_fault(refused) == refused
