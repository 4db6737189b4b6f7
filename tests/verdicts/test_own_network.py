from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.ids import ProviderId
from tallylight.verdicts.own_network import NetworkState, observe_call

START = datetime(2026, 1, 1, tzinfo=UTC)


def network_after(*calls: tuple[str, float, bool]) -> NetworkState:
    """Return the watch after calls: provider, seconds, whether the transport failed."""
    watch = NetworkState()
    for provider, seconds, failed in calls:
        at = START + timedelta(seconds=seconds)
        watch = observe_call(watch, ProviderId(provider), at, transport_failed=failed)
    return watch


def test_unrelated_providers_failing_in_one_moment_are_our_own_network() -> None:
    up = [("openai", 0, False), ("google", 1, False), ("kie", 2, False)]
    down = [("openai", 60, True), ("google", 61, True), ("kie", 62, True)]

    assert not network_after(*up, *down[:2]).is_down
    assert network_after(*up, *down).is_down


def test_one_success_at_any_provider_shows_that_the_network_is_up() -> None:
    down = [("openai", 60, True), ("google", 61, True), ("kie", 62, True)]

    assert not network_after(*down, ("runway", 63, False)).is_down
    assert not network_after(*down[:2], ("runway", 61.5, False), down[2]).is_down


def test_on_a_lossy_network_missing_responses_prove_nothing() -> None:
    up = [(name, 0, False) for name in "abcdef"]
    lossy = [("a", 60, True), ("b", 61, False), ("c", 62, True), ("d", 63, False), ("e", 64, True)]

    assert not network_after(*up, *lossy[:4]).is_lossy
    assert network_after(*up, *lossy).is_lossy
    assert not network_after(*up, *lossy).is_down


@given(failing=st.sets(st.sampled_from("abcdefgh"), max_size=3))
def test_failures_of_fewer_than_half_of_the_providers_are_their_own(
    failing: set[str],
) -> None:
    calls = [(name, n, name in failing) for n, name in enumerate("abcdefgh")]

    assert not network_after(*calls).is_lossy


def test_a_failure_of_one_provider_is_its_own() -> None:
    assert not network_after(*(("openai", n, True) for n in range(50))).is_down


def test_two_providers_are_enough_if_there_are_no_more() -> None:
    assert network_after(("openai", 0, True), ("google", 5, True)).is_down


def test_failures_hours_apart_are_not_one_moment() -> None:
    assert not network_after(("openai", 0, True), ("google", 3600, True)).is_down


def test_old_calls_are_ignored() -> None:
    calls = [("kie", 0, False), ("openai", 1200, True), ("google", 1201, True)]

    assert network_after(*calls).is_down


@given(
    calls=st.lists(
        st.tuples(st.sampled_from("abcd"), st.floats(0, 5000), st.booleans()), max_size=40
    )
)
def test_a_success_just_now_always_means_that_the_network_is_up(
    calls: list[tuple[str, float, bool]],
) -> None:
    assert not network_after(*calls, ("e", 5001, False)).is_down
