"""A gateway that is killed repeatedly pays for no video twice, and loses none.

The same as the bench `python -m bench.chaos`, smaller; its checks are in `bench.chaos.checks`.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.conftest import Bench


def test_under_eight_faults_and_kills_no_video_is_paid_twice_or_lost(bench: "Bench") -> None:
    options = ("--troubles", "kills", "--creates", "100", "--kills", "5", "--deadline", "20")
    (result,) = bench("chaos", *options)

    assert result["errors"] == []
    (found,) = result["rounds"]
    assert found["broken"] == {}
    assert found["notes"][0] == "5 kills"
    assert found["written"] >= found["billed"] > 0
    # The promise would be easy to keep by delivering nothing.
    assert found["delivered"] >= 60
    assert found["delivered"] + sum(found["failed"].values()) == 100
