"""No caller notices a dead service beside a healthy one."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.chaos.conftest import Bench


def test_no_create_fails_where_one_of_two_services_is_dead(bench: "Bench") -> None:
    deaths = bench("dead_service", "--creates", "100", "--clients", "4")

    assert [found["death"] for found in deaths] == ["connection refused", "503", "429"]
    for found in deaths:
        assert found["failed"] == 0
        assert 1 <= found["tried_dead"] < 50  # its refusals redirected the later creates
