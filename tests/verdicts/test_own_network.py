from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tallylight.model.evidence import Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ProviderId, ServiceId
from tallylight.verdicts.own_network import (
    Call,
    CallCounts,
    OwnNetwork,
    Ruling,
    silent_probability,
    was_reached,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
ANSWER, MISS = False, True
NO_ANSWER = Failure(FailureKind.DEGRADED, Fault.UPSTREAM, "exception:timeout")
FIVE = ("openai", "google", "kie", "runway", "fal")


class Line:
    """A network under test: calls by provider, seconds and whether the answer is missing."""

    def __init__(self) -> None:
        self.network = OwnNetwork()

    def call(  # noqa: PLR0913  # as many as a call has facts
        self,
        provider: str,
        seconds: float,
        is_miss: bool,  # the third member of each call below
        *,
        host: str = "",
        flow: str = "reach",
        lasted: float = 0,
        is_page: bool = False,
    ) -> Ruling:
        at = START + timedelta(seconds=seconds)
        began_at = at - timedelta(seconds=lasted)
        call = Call(ProviderId(provider), host or provider, flow, began_at, at, is_miss)
        failure = NO_ANSWER if is_miss else None
        piece = Evidence(ServiceId(provider), at, Source.REACH, failure)
        return self.network.observe(call, None if is_page else piece)

    def calls(self, *calls: tuple[str, float, bool]) -> list[Ruling]:
        return [self.call(*call) for call in calls]

    def round(self, providers: Iterable[str], seconds: float, is_miss: bool) -> list[Ruling]:
        return self.calls(*((name, seconds + n, is_miss) for n, name in enumerate(providers)))


def seconds_of(pieces: Iterable[Evidence]) -> list[float]:
    return [(piece.at - START).total_seconds() for piece in pieces]


def test_a_silent_provider_counts_with_its_own_times_once_others_answer_between() -> None:
    line = Line()
    line.round(("sora", *FIVE), 0, ANSWER)

    held = line.calls(("sora", 60, MISS), ("sora", 70, MISS))
    line.round(FIVE, 71, ANSWER)
    third = line.call("sora", 90, MISS)

    assert [ruling.counted for ruling in held] == [(), ()]
    assert seconds_of(third.counted) == [60, 70, 90]


def test_after_that_each_miss_counts_at_once_until_the_provider_answers() -> None:
    line = Line()
    line.round(("sora", *FIVE), 0, ANSWER)
    line.calls(("sora", 60, MISS), ("sora", 70, MISS))
    line.round(FIVE, 71, ANSWER)
    line.call("sora", 90, MISS)

    next_miss = line.call("sora", 95, MISS)
    line.call("sora", 100, ANSWER)
    after_answer = line.call("sora", 160, MISS)

    assert seconds_of(next_miss.counted) == [95]
    assert after_answer.counted == ()


def test_an_answer_drops_what_is_held_of_its_host() -> None:
    line = Line()
    line.round(("sora", *FIVE), 0, ANSWER)
    line.calls(("sora", 60, MISS), ("sora", 70, MISS))

    answer = line.call("sora", 75, ANSWER)

    assert seconds_of(answer.ours) == [60, 70]
    assert seconds_of(answer.counted) == [75]


def test_nobody_is_convicted_before_another_host_has_answered() -> None:
    line = Line()
    line.round(("sora", *FIVE), 0, ANSWER)

    rulings = [line.call("sora", 60 + 5 * n, MISS) for n in range(20)]

    assert not any(ruling.counted for ruling in rulings)


def test_at_the_end_of_a_cut_the_first_answer_convicts_no_other_provider() -> None:
    line = Line()
    line.round(("sora", *FIVE), 0, ANSWER)
    line.calls(*(("sora", 60 + 5 * n, MISS) for n in range(4)))
    line.round(FIVE, 80, ANSWER)

    late = line.call("sora", 90, MISS, lasted=30)  # it began while the line was cut
    answer = line.call("sora", 95, ANSWER)

    assert late.counted == ()
    assert len(answer.ours) == 5


def test_a_provider_alone_has_no_witness_and_counts_at_once() -> None:
    line = Line()

    rulings = [line.call("openai", 60.0 * n, MISS) for n in range(5)]

    assert all(len(ruling.counted) == 1 for ruling in rulings)
    assert not line.network.is_down


def test_two_hosts_of_one_provider_are_no_witnesses_of_each_other() -> None:
    line = Line()
    line.call("kie", 0, ANSWER, host="api.kie.ai")

    ruling = line.call("kie", 10, MISS, host="files.kie.ai")

    assert len(ruling.counted) == 1


def test_a_status_page_is_a_witness() -> None:
    line = Line()
    line.call("page", 0, ANSWER, is_page=True)

    first = line.call("sora", 60, MISS)
    second = line.call("sora", 70, MISS)

    assert first.counted == second.counted == ()
    assert second.witnesses == ("page",)


def test_one_kind_of_call_that_hangs_is_seen_beside_others_that_answer() -> None:
    line, counted = Line(), list[Evidence]()
    for minute in range(6):
        line.round(("sora", *FIVE), 60 * minute, ANSWER)
        counted += line.call("sora", 60 * minute + 30, MISS, flow="credentials").counted

    assert counted


def test_the_second_miss_asks_the_hosts_that_answered_longest_ago() -> None:
    line = Line()
    line.round(("sora", *FIVE), 0, ANSWER)

    first, second = line.calls(("sora", 60, MISS), ("sora", 70, MISS))
    third = line.call("sora", 72, MISS)

    assert first.witnesses == ()
    assert second.witnesses == FIVE[:3]
    assert third.witnesses == FIVE[3:]  # the others were asked two seconds ago


def test_when_no_provider_answers_the_line_is_down_and_what_was_held_is_ours() -> None:
    line = Line()
    line.round(FIVE, 0, ANSWER)
    line.round(FIVE, 60, MISS)

    down = line.round(FIVE[:3], 70, MISS)
    later = line.call("kie", 80, MISS)

    assert line.network.is_down
    assert len(down[-1].ours) == 8
    assert seconds_of(later.ours) == [80]


def test_the_line_is_up_again_with_the_first_answer_and_nobody_is_convicted() -> None:
    line = Line()
    line.round(FIVE, 0, ANSWER)
    for minute in range(1, 21):
        line.round(FIVE, 60 * minute, MISS)

    line.call("openai", 1260, ANSWER)
    later = line.round(FIVE[1:], 1261, MISS)

    assert not line.network.is_down
    assert not any(ruling.counted for ruling in later)


def test_a_provider_that_was_silent_before_does_not_hide_a_lost_line() -> None:
    line = Line()
    line.round(("sora", *FIVE), 0, ANSWER)
    line.calls(("sora", 60, MISS), ("sora", 70, MISS))
    line.round(FIVE, 71, ANSWER)
    line.call("sora", 90, MISS)

    for seconds in (120, 130):
        line.round(("sora", *FIVE), seconds, MISS)

    assert line.network.is_down


def test_many_silent_providers_are_no_lost_line_while_others_answer() -> None:
    line = Line()
    silent = [f"k{n}" for n in range(40)]
    for minute in range(2):
        line.round((*silent, "a", "b"), 60 * minute, ANSWER)
    counted = set[str]()
    for seconds in (120, 180, 240, 300):
        line.round(("a", "b"), seconds, ANSWER)
        for ruling in line.round(silent, seconds + 3, MISS):
            counted |= {piece.service for piece in ruling.counted}

    assert counted == set(silent)
    assert not line.network.is_down


def test_on_a_lossy_line_missing_answers_prove_nothing() -> None:
    lossy = CallCounts(answers=3, scattered=4, in_a_row=0)

    on_lossy_line = silent_probability(CallCounts(2, 1, 3), [lossy] * 5)
    on_clean_line = silent_probability(CallCounts(2, 1, 3), [CallCounts(7, 0, 0)] * 5)

    assert on_lossy_line < 0.5
    assert on_clean_line > 0.99


counts = st.builds(
    CallCounts, st.integers(0, 30), st.integers(0, 30), st.sampled_from([0, *range(2, 30)])
)


@given(suspect=counts, others=st.lists(counts, max_size=20))
def test_a_probability_is_one_however_many_calls_there_are(
    suspect: CallCounts, others: list[CallCounts]
) -> None:
    assert 0 <= silent_probability(suspect, others) <= 1 + 1e-9


@given(others=st.lists(counts, min_size=1, max_size=8), misses=st.integers(3, 20))
def test_more_misses_in_a_row_never_speak_for_a_host_on_a_clean_line(
    others: list[CallCounts], misses: int
) -> None:
    clean = [other._replace(scattered=0, in_a_row=0) for other in others]

    fewer, more = (silent_probability(CallCounts(3, 0, r), clean) for r in (misses, misses + 1))

    assert more >= fewer - 1e-9


def test_a_thousand_providers_with_thousands_of_calls_underflow_nothing() -> None:
    others = [CallCounts(2000, n % 3, 0) for n in range(1000)]

    assert silent_probability(CallCounts(2000, 0, 10), others) > 0.998


@given(
    calls=st.lists(
        st.tuples(st.sampled_from("abcd"), st.floats(0, 5000), st.booleans()), max_size=40
    )
)
def test_a_success_just_now_always_means_that_the_network_is_up(
    calls: list[tuple[str, float, bool]],
) -> None:
    line = Line()
    line.calls(*sorted(calls, key=lambda call: call[1]))

    line.call("e", 5001, ANSWER)

    assert not line.network.is_down


@given(
    calls=st.lists(
        st.tuples(st.sampled_from("abcd"), st.floats(0, 5000), st.booleans()), max_size=60
    )
)
def test_each_piece_counts_once_or_is_ours_once_or_is_still_held(
    calls: list[tuple[str, float, bool]],
) -> None:
    line = Line()
    rulings = line.calls(*sorted(calls, key=lambda call: call[1]))
    rulings += [line.call(name, 5001, ANSWER) for name in "abcd"]  # drops what is held

    decided = [piece for ruling in rulings for piece in (*ruling.counted, *ruling.ours)]

    assert len(decided) == len(calls) + 4


def test_an_error_of_our_own_process_says_nothing_about_a_host() -> None:
    ours = Failure(FailureKind.UNKNOWN, Fault.OURS, "exception:own-process")

    assert was_reached(Evidence(ServiceId("sora"), START, Source.REACH, ours)) is None
    assert was_reached(Evidence(ServiceId("sora"), START, Source.REACH, NO_ANSWER)) is False
    assert was_reached(Evidence(ServiceId("sora"), START, Source.REACH)) is True
