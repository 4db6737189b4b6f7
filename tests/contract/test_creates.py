"""A create is sent once, and is refused only where nothing was billed."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from tallylight.simulator.faults import Endpoint
from tallylight.upstreams.acceptance import InDoubt, Refused
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.protocol import Doubt, Mark
from tallylight.upstreams.steps import Accepted, Done, Listed, Page
from tests.contract.altered import AlteredSender, with_texts
from tests.contract.services import EMPTY, NARROW, SCENARIO, each_dialect, where
from tests.contract.site import Site, new_mark

At = Callable[[str], Site]
PAGE = "<html><body><h1>A time-out occurred</h1></body></html>"
ERROR = {"error": {"message": "oops", "type": "some_error", "param": None, "code": None}}
BROKEN = [
    {"kind": "reset", "accepts": False},
    {"kind": "reset", "accepts": True},
    {"kind": "hang", "accepts": False},
    {"kind": "hang", "accepts": True},
    # Later than a busy process, which reads on for 2 s after its time-out.
    {"kind": "answer_late", "after": 10_000},
    {"kind": "refuse", "http_status": 500, "body": ERROR, "accepts": True},
    {"kind": "refuse", "http_status": 500, "body": ERROR, "accepts": False},
    {"kind": "refuse", "http_status": 502, "body": PAGE, "accepts": True},
    {"kind": "refuse", "http_status": 503, "body": PAGE, "accepts": True},
    {"kind": "refuse", "http_status": 524, "body": PAGE, "accepts": True},
    {"kind": "refuse", "http_status": 408, "body": ERROR, "accepts": True},
    {"kind": "refuse", "http_status": 400, "body": "", "accepts": True},
    {"kind": "refuse", "http_status": 200, "body": PAGE, "accepts": True},
    {"kind": "refuse", "http_status": 200, "body": "", "accepts": True},
    {"kind": "refuse", "http_status": 303, "headers": {"location": "/"}, "accepts": True},
    {"kind": "cut", "at": 50, "doors": ["create"]},
]
REFUSING = [
    {"kind": "refuse", "http_status": 400, "body": ERROR},
    {"kind": "refuse", "http_status": 429, "body": ERROR},
    {"kind": "refuse", "http_status": 501, "body": ERROR},
    {"kind": "refuse", "http_status": 503, "body": ERROR},
    {"kind": "refuse", "http_status": 307, "headers": {"location": "/"}},
    {"kind": "retire"},
]


def _named(fault: Mapping[str, object]) -> str:
    return "-".join(str(each)[:10] for each in fault.values())


@each_dialect
@pytest.mark.parametrize("fault", BROKEN, ids=_named)
async def test_a_create_without_a_readable_answer_is_in_doubt(
    at: At, name: str, fault: Mapping[str, object]
) -> None:
    site = at(name).hurried(1 if fault["kind"] in {"hang", "answer_late"} else 5)
    site.trouble(fault)

    found = await site.create()

    assert isinstance(found, InDoubt), found
    assert len(site.jobs) == fault.get("accepts", True)
    if fault["kind"] == "hang":
        assert found.failure.rule == "exception:too-slow"


@each_dialect
@pytest.mark.parametrize("fault", REFUSING, ids=_named)
async def test_a_refusal_is_definite_and_costs_nothing(
    at: At, name: str, fault: Mapping[str, object]
) -> None:
    site = at(name)
    site.trouble(fault)

    found = await site.create()

    assert isinstance(found, Refused), found
    assert site.jobs == []


@each_dialect
@pytest.mark.parametrize("end", [EMPTY, NARROW])
async def test_a_key_without_money_or_without_the_model_is_refused(
    at: At, name: str, end: str
) -> None:
    site = at(name)
    keys = SCENARIO.upstreams[str(site.upstream.id)].keys
    site = site.with_key(next(each for each in keys if each.key.endswith(end)))

    found = await site.create()

    assert isinstance(found, Refused), found
    assert site.jobs == []


@each_dialect
async def test_a_create_that_never_left_is_refused(at: At, name: str) -> None:
    site = at(name)
    site = site.at(base_url=f"{site.world.refusing_url}/nothing")

    found = await site.create()

    assert isinstance(found, Refused), found
    assert not found.was_sent


@each_dialect
async def test_a_500_is_a_refusal_where_the_operator_says_so(at: At, name: str) -> None:
    site = at(name).at(refuses_with_500=True)
    site.trouble(kind="refuse", http_status=500, body=ERROR)

    assert isinstance(await site.create(), Refused)


@each_dialect
async def test_exactly_one_create_is_sent(at: At, name: str) -> None:
    site = at(name)
    before = site.world.requests[name, Endpoint.CREATE]

    await site.delivered()

    assert site.world.requests[name, Endpoint.CREATE] == before + 1
    assert len(site.jobs) == 1


def _is_of(row: Listed, site: Site) -> bool:
    match site.adapter.features.mark:
        case Mark.TOKEN:
            return row.mark == site.mark
        case Mark.REQUEST:
            return row.prompt == site.prompt and not row.differs
        case _:  # the engine takes no such job; the test knows which one it is
            return row.job.id in {each.id for each in site.jobs}


listing = where(lambda adapter: adapter.find)


async def in_doubt(site: Site) -> None:
    """Leave a create in doubt that the twin has accepted."""
    site.trouble(kind="reset", accepts=True)
    found = await site.create()
    site.trouble()
    assert isinstance(found, InDoubt), found


@listing
async def test_a_create_in_doubt_is_found_once_and_delivers(at: At, name: str) -> None:
    site, other = at(name), at(name)
    await other.accepted()
    await in_doubt(site)

    found = [row for row in await site.listed() if _is_of(row, site)]

    assert [row.job.id for row in found] == [each.id for each in site.jobs]
    assert isinstance(await site.end(Accepted(found[0].job, found[0].step)), Done)


@listing
async def test_a_create_in_doubt_is_found_on_a_later_page(at: At, name: str) -> None:
    site = at(name)
    await in_doubt(site)
    for _ in range(60):  # more than the usual page has
        await at(name).accepted()

    found = [row.job.id for row in await site.listed() if _is_of(row, site)]

    assert found == [each.id for each in site.jobs]


@listing
async def test_two_alike_in_doubt_are_two_jobs(at: At, name: str) -> None:
    one = at(name)
    another = replace(one, mark=new_mark())
    await in_doubt(one)
    await in_doubt(another)

    rows = await one.listed()
    found = [{row.job.id for row in rows if _is_of(row, each)} for each in (one, another)]

    ids = [each.id for each in one.jobs]
    is_certain = one.adapter.features.mark is Mark.TOKEN
    assert found == ([{ids[0]}, {ids[1]}] if is_certain else [set(ids), set(ids)])


@listing
async def test_a_job_that_the_list_does_not_show_yet_is_not_found(at: At, name: str) -> None:
    site = at(name)
    await in_doubt(site)
    site.trouble(kind="incomplete_list", omits="all")

    assert not [row for row in await site.listed() if _is_of(row, site)]


@listing
@pytest.mark.parametrize("word", ["", "refining_pixels", None])
async def test_an_entry_of_a_list_is_a_job_whatever_its_state_is_called(
    at: At, name: str, word: object
) -> None:
    site = at(name)
    await in_doubt(site)
    assert site.adapter.find is not None

    def reworded(reply: Reply) -> Reply:
        is_state = ("status", "state")
        return with_texts(reply, lambda name, text: word if name.endswith(is_state) else text)

    flow = site.adapter.find(Doubt(site.order(), site.mark), "")
    ran = await site.drive(flow, AlteredSender(site.transport, reworded))

    assert isinstance(ran.value, Page), ran
    assert {each.id for each in site.jobs} <= {each.job.id for each in ran.value.jobs}


@where(lambda adapter: adapter.features.mark is Mark.TIME)
async def test_a_list_without_a_sign_tells_model_and_time(at: At, name: str) -> None:
    site = at(name)
    await in_doubt(site)

    (row,) = [row for row in await site.listed() if _is_of(row, site)]

    assert row.mark == ""
    assert row.step.made.model == site.service.model
    assert row.created_at is not None
