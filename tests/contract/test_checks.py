"""A free check tells whether a key and a model are accepted, and costs nothing."""

from collections.abc import AsyncIterator, Callable

import pytest

from tallylight.documents.secret import Secret
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.messages import Phase
from tallylight.upstreams.steps import Accepted, Checked
from tests.contract.services import EMPTY, NARROW, SCENARIO, each_dialect, everywhere
from tests.contract.site import Site

At = Callable[[str], Site]


@pytest.fixture(autouse=True)
async def _nothing_is_billed(at: At) -> AsyncIterator[None]:
    world = at(next(iter(SCENARIO.services))).world
    before = len(world.ledger.entries)
    yield
    assert len(world.ledger.entries) == before


async def checked(site: Site) -> object:
    """Return what the check of a service's model says."""
    ran = await site.run(site.adapter.check(site.service.model))
    return ran.failure or ran.value


def with_key_that_ends(site: Site, end: str) -> Site:
    """Return a client with one of the scenario's keys."""
    keys = SCENARIO.upstreams[str(site.upstream.id)].keys
    return site.with_key(next(each for each in keys if each.key.endswith(end)))


@everywhere
async def test_a_good_key_and_model_are_accepted(at: At, name: str) -> None:
    found = await checked(at(name))

    assert found is None or isinstance(found, Checked)


@everywhere
async def test_an_api_responds_without_a_key(at: At, name: str) -> None:
    site = at(name)
    request = site.adapter.reach(site.service.model)

    reply = await site.transport.send(request, site.upstream)

    assert request.phase is Phase.REACH
    assert not request.is_signed
    assert reply.is_whole
    assert site.adapter.errors.of(reply) is None


@each_dialect
async def test_a_wrong_key_is_ours(at: At, name: str) -> None:
    site = at(name).at(key=Secret("sk-of-another-caller-with-32-characters"))

    failure = await checked(site)

    assert isinstance(failure, Failure), failure
    assert (failure.kind, failure.fault) == (FailureKind.AUTH, Fault.OURS)


@each_dialect
async def test_no_money_is_seen_or_passed_over_and_is_no_fault_of_the_key(
    at: At, name: str
) -> None:
    found = await checked(with_key_that_ends(at(name), EMPTY))

    assert not isinstance(found, Failure) or found.kind is FailureKind.QUOTA
    assert not isinstance(found, Accepted)


@each_dialect
async def test_a_model_that_is_gone_is_seen_where_the_adapter_says_so(at: At, name: str) -> None:
    site = at(name)
    site.trouble(kind="retire")

    found = await checked(site)

    assert isinstance(found, Failure) == site.adapter.features.checks_model, found


@each_dialect
async def test_a_model_that_the_key_may_not_use_is_no_failure_of_the_service(
    at: At, name: str
) -> None:
    found = await checked(with_key_that_ends(at(name), NARROW))

    assert not isinstance(found, Accepted)
    if isinstance(found, Failure):
        assert found.kind in {FailureKind.UNKNOWN, FailureKind.AUTH, FailureKind.RETIRED}


@each_dialect
async def test_a_host_that_is_down_is_the_upstreams_fault(at: At, name: str) -> None:
    site = at(name)
    site = site.at(base_url=f"{site.world.refusing_url}/nothing")

    failure = await checked(site)

    assert isinstance(failure, Failure), failure
    assert failure.fault is Fault.UPSTREAM


@each_dialect
@pytest.mark.parametrize("status", [500, 503])
async def test_a_page_at_a_check_is_the_upstreams_fault(at: At, name: str, status: int) -> None:
    site = at(name)
    page = "<html><body>Bad gateway</body></html>"
    doors = ["check", "list", "poll", "create"]
    site.trouble(kind="refuse", http_status=status, body=page, doors=doors)

    failure = await checked(site)

    if isinstance(failure, Failure):  # some ask what no fault can strike
        assert failure.fault is Fault.UPSTREAM
