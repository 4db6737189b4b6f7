from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.ids import ProviderId
from tallylight.verdicts.own_network import NetworkState, observe_call

START = datetime(2026, 1, 1, tzinfo=UTC)


def watched(*told: tuple[str, float, bool]) -> NetworkState:
    """Return the watch after calls: provider, seconds, whether the transport failed."""
    watch = NetworkState()
    for provider, seconds, failed in told:
        at = START + timedelta(seconds=seconds)
        watch = observe_call(watch, ProviderId(provider), at, transport_failed=failed)
    return watch


def test_unrelated_providers_failing_in_one_moment_are_our_own_network() -> None:
    up = [("openai", 0, False), ("google", 1, False), ("kie", 2, False)]
    down = [("openai", 60, True), ("google", 61, True), ("kie", 62, True)]

    assert not watched(*up, *down[:2]).is_down
    assert watched(*up, *down).is_down


def test_one_success_anywhere_clears_us() -> None:
    down = [("openai", 60, True), ("google", 61, True), ("kie", 62, True)]

    assert not watched(*down, ("runway", 63, False)).is_down
    assert not watched(*down[:2], ("runway", 61.5, False), down[2]).is_down


def test_a_line_that_loses_half_speaks_against_nobody() -> None:
    up = [(name, 0, False) for name in "abcdef"]
    lossy = [("a", 60, True), ("b", 61, False), ("c", 62, True), ("d", 63, False), ("e", 64, True)]

    assert not watched(*up, *lossy[:4]).is_lossy
    assert watched(*up, *lossy).is_lossy
    assert not watched(*up, *lossy).is_down


@given(failing=st.sets(st.sampled_from("abcdefgh"), max_size=3))
def test_fewer_than_half_of_the_providers_never_testify_against_our_line(
    failing: set[str],
) -> None:
    told = [(name, n, name in failing) for n, name in enumerate("abcdefgh")]

    assert not watched(*told).is_lossy


def test_one_provider_alone_never_testifies_against_us() -> None:
    assert not watched(*(("openai", n, True) for n in range(50))).is_down


def test_two_providers_are_enough_where_there_are_no_more() -> None:
    assert watched(("openai", 0, True), ("google", 5, True)).is_down


def test_failures_hours_apart_are_not_one_moment() -> None:
    assert not watched(("openai", 0, True), ("google", 3600, True)).is_down


def test_what_nobody_called_for_long_is_no_witness() -> None:
    told = [("kie", 0, False), ("openai", 1200, True), ("google", 1201, True)]

    assert watched(*told).is_down


@given(
    told=st.lists(
        st.tuples(st.sampled_from("abcd"), st.floats(0, 5000), st.booleans()), max_size=40
    )
)
def test_a_success_just_now_always_means_that_the_network_is_up(
    told: list[tuple[str, float, bool]],
) -> None:
    assert not watched(*told, ("e", 5001, False)).is_down
