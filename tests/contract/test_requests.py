"""Requests go to the upstream, to an address that its options set, or to one that it named."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.upstreams.protocols.registry import origins_for
from tests.contract.altered import AlteredSender
from tests.contract.flows import flows_of
from tests.contract.services import each_dialect, everywhere
from tests.contract.site import Site

At = Callable[[str], Site]


async def sent_in_a_life(site: Site) -> list[tuple[Request, Reply]]:
    """Return all that is sent from the create of a job to the end of all flows, with answers."""
    sender = AlteredSender(site.transport)
    order = site.order()
    reply = await sender.send(site.adapter.submit(order, site.mark), site.upstream)
    accepted = site.adapter.accepted(order, reply)
    job = (await site.accepted()).job if accepted is None else accepted.job
    for flow in flows_of(site.adapter, order, site.mark, job):
        await site.drive(flow, sender)
    return sender.sent


def is_named(url: str, replies: list[Reply]) -> bool:
    """Tell whether one of the answers named an address."""
    return any(url in reply.body.replace("\\/", "/") for reply in replies)


@everywhere
async def test_every_request_goes_where_the_configuration_or_an_answer_says(
    at: At, name: str
) -> None:
    site = at(name)
    settings, own = str(site.upstream.options), origins_for(site.upstream)
    replies: list[Reply] = []

    for request, reply in await sent_in_a_life(site):
        is_option = request.url.partition("?")[0] in settings
        is_configured = is_option or request.url.startswith(("/", *own))
        assert is_configured or is_named(request.url, replies), request.url
        replies.append(reply)


@each_dialect
async def test_no_flow_sends_a_create(at: At, name: str) -> None:
    site = at(name)

    phases = [request.phase for request, _ in await sent_in_a_life(site)]

    assert phases.count(Phase.CREATE) == 1
    assert phases[0] is Phase.CREATE


@each_dialect
async def test_a_create_is_a_signed_post_to_the_upstream_itself(at: At, name: str) -> None:
    site = at(name)

    request = site.adapter.submit(site.order(), site.mark)

    assert (request.phase, request.method) == (Phase.CREATE, "POST")
    assert request.url.startswith("/")
    assert request.is_signed


@each_dialect
async def test_equal_orders_make_equal_requests(at: At, name: str) -> None:
    site = at(name)

    one, other = (site.adapter.submit(site.order(), site.mark) for _ in range(2))

    assert one == other


def members_of(request: Request) -> object:
    """Return the body of a request as an object."""
    return json.loads(request.json) if request.json else dict(request.form)


def names_in(value: object) -> set[str]:
    """Return the names of all members of a value, at any depth."""
    match value:
        case dict():
            return set(value).union(*map(names_in, value.values()))
        case list():
            return set[str]().union(*map(names_in, value))
        case _:
            return set()


def holds(value: object, ours: object) -> bool:
    """Tell whether a value has all that ours has, where ours has it."""
    if isinstance(value, dict) and isinstance(ours, dict):
        return all(name in value and holds(value[name], each) for name, each in ours.items())
    return value == ours


@everywhere
@pytest.mark.parametrize("theirs", ["theirs", {"theirs": 1}, ["theirs"], None, -1])
async def test_no_field_of_a_caller_replaces_one_of_ours(at: At, name: str, theirs: object) -> None:
    site = at(name)
    order = site.order()
    ours = members_of(site.adapter.submit(order, site.mark))

    extras = dict.fromkeys(names_in(ours), theirs)
    request = site.adapter.submit(replace(order, extras=extras), site.mark)

    assert holds(members_of(request), ours)


@everywhere
async def test_a_measure_is_written_once_however_a_caller_spells_it(at: At, name: str) -> None:
    site = at(name)
    order = site.order()
    wording = site.can.wording
    assert wording is not None
    written = {
        word.path.partition(".")[0].removesuffix("[]"): measure
        for measure, words in wording.words.items()
        for word in words
    }
    plain = names_in(members_of(site.adapter.submit(order, site.mark)))

    extras = {each.upper(): "theirs" for each in written.keys() & plain}
    request = site.adapter.submit(replace(order, extras=extras), site.mark)

    assert not extras.keys() & names_in(members_of(request))
