"""An answer that names a job is a paid job, whatever else it says or leaves out."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tallylight.upstreams.acceptance import judge_create
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.steps import Accepted, Done, Failed
from tests.contract.altered import with_texts
from tests.contract.services import where
from tests.contract.site import Site

At = Callable[[str], Site]

polling = where(lambda adapter: adapter.poll)
NUMBER = 4_611_686_018_427_387_905
"""No float is this number."""


async def answer_of(site: Site) -> Reply:
    """Return the answer to a create that is accepted."""
    return await site.transport.send(site.adapter.submit(site.order(), site.mark), site.upstream)


def read(site: Site, reply: Reply) -> Accepted:
    """Return the job in an answer to a create."""
    found = judge_create(site.adapter, site.order(), reply)
    assert isinstance(found, Accepted), found
    return found


@polling
@pytest.mark.parametrize("word", ["", "warming_up", None, 7])
async def test_a_job_is_accepted_whatever_its_state_is_called(
    at: At, name: str, word: object
) -> None:
    site = at(name)
    reply = await answer_of(site)

    found = read(
        site,
        with_texts(
            reply,
            lambda member, text: word if member.casefold().endswith(("status", "state")) else text,
        ),
    )

    assert found.job == read(site, reply).job
    assert not isinstance(found.step, Failed)


@polling
@pytest.mark.parametrize("status", [200, 201, 202, 206])
async def test_a_job_is_accepted_under_any_good_status(at: At, name: str, status: int) -> None:
    site = at(name)
    reply = await answer_of(site)

    assert read(site, replace(reply, status=status)) == read(site, reply)


@polling
async def test_an_id_may_be_a_number(at: At, name: str) -> None:
    site = at(name)
    reply = await answer_of(site)
    id_ = read(site, reply).job.id

    altered = with_texts(reply, lambda _, text: NUMBER if text == id_ else text)

    is_number = json.loads(altered.body) == json.loads(reply.body)  # already
    assert read(site, altered).job.id == (id_ if is_number else str(NUMBER))
    assert id_.isdecimal() >= is_number


@polling
async def test_a_job_is_accepted_though_its_answer_holds_members_that_nobody_knows(
    at: At, name: str
) -> None:
    site = at(name)
    reply = await answer_of(site)
    more = {"warnings": [{"code": "slow"}], "error": None, "message": "ok", "usage": None}

    found = read(site, replace(reply, body=json.dumps({**more, **json.loads(reply.body)})))

    assert found.job == read(site, reply).job


@polling
async def test_what_was_accepted_is_delivered(at: At, name: str) -> None:
    site = at(name)

    accepted = read(site, await answer_of(site))

    assert isinstance(await site.end(accepted), Done)
