"""A job costs what its upstream says it took, else the price of what it made, else the estimate."""

from dataclasses import replace
from decimal import Decimal

import pytest

from tallylight.catalogue.services import Service
from tallylight.jobs.made import change_of_job, failed_change, finished_job
from tallylight.model.attempt import Attempt, changed_attempt, changed_entry
from tallylight.model.attempt_state import AttemptEvent, AttemptState
from tallylight.model.frames import frame_of
from tallylight.model.jobs import Made, Unit, Usage
from tallylight.model.ledger import EntryState, LedgerEntry
from tallylight.model.order import Input, Operation
from tallylight.model.video import CreateParams, VideoRecord
from tallylight.upstreams.failures import upstream_failure
from tallylight.upstreams.messages import Phase, get, post_json
from tallylight.upstreams.steps import VIDEO, Done, Failed, Output, Working
from tests.builders import NOON, attempt_of, new_video, price_per_second, priced_service

SERVICE = priced_service(price="0.10")
PLAIN = CreateParams()


def ordered(seconds: int = 8) -> tuple[Attempt, LedgerEntry]:
    """Return an accepted attempt at 8 s, and the entry that reserves $0.80."""
    attempt, entry = attempt_of(new_video())
    order = replace(attempt.order, seconds=seconds, frame=frame_of("1280x720"))
    amount = Decimal("0.8")
    return (
        replace(attempt, state=AttemptState.ACCEPTED, order=order),
        replace(entry, estimate=amount, amount=amount),
    )


def made(seconds: int = 0, size: str = "", cost: str | None = None) -> Done:
    """Return what a finished job tells."""
    usage = None if cost is None else Usage(Decimal(cost))
    return Done((), Made(seconds, size), usage)


def settled(
    done: Done,
    service: Service = SERVICE,
    params: CreateParams = PLAIN,
    **known: Decimal | None,
) -> LedgerEntry:
    """Return the entry of a finished job."""
    attempt, entry = ordered()
    attempt = replace(attempt, order=replace(attempt.order, inputs=params.inputs))
    if "estimate" in known:
        entry = replace(entry, estimate=known["estimate"], amount=known["estimate"])
    change = change_of_job(AttemptEvent.DONE, attempt, service, done, NOON, params)
    rendered = changed_attempt(attempt, change)
    fetched = replace(change, event=AttemptEvent.FETCHED, cost=None)
    return changed_entry(changed_entry(entry, attempt, change), rendered, fetched)


@pytest.mark.parametrize(
    ("told", "amount"),
    [
        (made(4, cost="0.33"), "0.33"),
        (made(4, cost="0"), "0.4"),
        (made(8, cost="0"), "0.8"),
        (made(8, cost="79"), "79"),
        (made(8, cost="80"), "0.8"),  # points of a relay
        (made(8, cost="400000"), "0.8"),
        (made(8, cost="0.009"), "0.009"),
        (made(8, cost="0.008"), "0.8"),
        (made(4), "0.4"),
        (made(8), "0.8"),
        (made(4, "no size"), "0.4"),
        (made(), "0.8"),
    ],
)
def test_what_was_told_comes_before_what_was_made_and_that_before_the_estimate(
    told: Done, amount: str
) -> None:
    entry = settled(told)

    assert (entry.state, entry.amount) == (EntryState.SETTLED, Decimal(amount))


def test_another_size_has_its_own_price() -> None:
    price = replace(
        price_per_second("0.10", "720p"), rates={"720p": Decimal("0.10"), "480p": Decimal("0.05")}
    )
    service = replace(SERVICE, sheet=replace(SERVICE.sheet, price=price))

    assert settled(made(size="854x480"), service).amount == Decimal("0.4")
    assert settled(made(size="1920x1080"), service).amount == Decimal("0.8")  # no rate


def test_a_shorter_video_still_costs_its_picture() -> None:
    price = replace(price_per_second("0.10"), per_input_image=Decimal("0.02"))
    service = replace(SERVICE, sheet=replace(SERVICE.sheet, price=price))
    params = CreateParams(inputs=(Input(media_type="image/png"),))

    assert settled(made(4), service, params).amount == Decimal("0.42")


def test_the_told_length_of_an_extended_video_is_that_of_the_whole() -> None:
    params = CreateParams(operation=Operation.EXTEND, base_seconds=8)

    assert settled(made(16), params=params).amount == Decimal("0.8")


def test_a_cost_that_was_told_earlier_is_kept() -> None:
    attempt, _ = ordered()
    attempt = replace(attempt, cost=Decimal("0.33"))

    done = change_of_job(AttemptEvent.DONE, attempt, SERVICE, made(4), NOON)

    assert done.cost == Decimal("0.33")


@pytest.mark.parametrize(("told", "amount"), [(None, None), ("0", None), ("0.2", Decimal("0.2"))])
def test_without_an_estimate_only_a_told_cost_is_known(
    told: str | None, amount: Decimal | None
) -> None:
    unpriced = priced_service(price=None)

    entry = settled(made(4, cost=told), unpriced, estimate=None)

    assert (entry.state, entry.estimate, entry.amount) == (EntryState.SETTLED, None, amount)


@pytest.mark.parametrize("unit", Unit)
def test_a_cost_of_0_is_proof_of_a_failed_job_and_says_nothing_of_another(unit: Unit) -> None:
    attempt, _ = ordered()
    nothing = Usage(Decimal(0), unit)
    failure = upstream_failure("job:failed", "failed")

    running = change_of_job(AttemptEvent.WORKING, attempt, SERVICE, Working(usage=nothing), NOON)
    over = changed_attempt(attempt, running)
    done = change_of_job(AttemptEvent.DONE, over, SERVICE, made(8), NOON)
    failed = failed_change(over, SERVICE, Failed(failure, nothing), NOON)

    assert (running.cost, done.cost) == (None, None)
    assert (failed.event, failed.cost) == (AttemptEvent.FAILED_FREE, Decimal(0))


def test_the_cost_of_a_video_is_known_if_that_of_each_attempt_is() -> None:
    video = new_video()
    (first, paid), (second, other) = attempt_of(video), attempt_of(video, 2)
    unknown = replace(other, estimate=None, amount=None)
    released = replace(unknown, state=EntryState.RELEASED, amount=Decimal(0))

    def cost(*entries: LedgerEntry) -> Decimal | None:
        return VideoRecord(video, (first, second), {each.id: each for each in entries}).cost

    assert cost() == 0
    assert cost(paid, unknown) is None
    assert cost(paid, released) == Decimal("0.4")


def test_a_way_that_is_no_plain_address_is_stored_whole() -> None:
    ways = (
        get(Phase.CONTENT, "https://files.test/1.mp4?x=POST %20y"),
        post_json(Phase.CONTENT, "/video/retrieve", {"queue_id": "q 1", "model": "m"}),
    )
    attempt, _ = ordered()

    change = change_of_job(
        AttemptEvent.DONE, attempt, SERVICE, Done(tuple(Output(VIDEO, at) for at in ways)), NOON
    )
    again = finished_job(replace(attempt, results=change.results))

    assert tuple(each.at for each in again.outputs) == ways
