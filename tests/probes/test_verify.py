"""Which model names count as the requested model, and whose fault a missing video is."""

import pytest

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.probes.verify import is_same_model
from tallylight.upstreams.failures import as_upstream_fault


@pytest.mark.parametrize(
    ("named", "requests", "same"),
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
    named: str, requests: str, *, same: bool
) -> None:
    assert is_same_model(named, requests) is same


def test_a_missing_video_is_the_upstreams_fault() -> None:
    missing = Failure(FailureKind.INVALID_REQUEST, Fault.CALLER, "code:not_found", http_status=404)

    blamed = as_upstream_fault(missing)

    assert (blamed.kind, blamed.fault) == (FailureKind.DEGRADED, Fault.UPSTREAM)


def test_a_refused_key_stays_our_fault() -> None:
    refused = Failure(FailureKind.AUTH, Fault.OURS, "status:401", http_status=401)

    assert as_upstream_fault(refused) == refused
