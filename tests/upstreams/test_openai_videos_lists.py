"""The lists of models and of jobs at `/v1`."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Made
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocol import Doubt, Mark
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Page
from tests.upstreams.flows import ORDER, first_request, read_check, read_list

MakeUpstream = Callable[..., Upstream]
MakeReply = Callable[..., Reply]

LISTED = {
    "id": "video_0123abcd",
    "object": "video",
    "model": "sora-2",
    "status": "completed",
    "created_at": 1790000000,
    "prompt": "a paper boat",
    "size": "1280x720",
    "seconds": "4",
}


def test_the_prompt_in_a_listing_reconciles_a_create_in_doubt(
    make_upstream: MakeUpstream, make_reply: MakeReply
) -> None:
    body = json.dumps({"object": "list", "data": [LISTED, {"odd": 1}, None], "has_more": False})

    page = read_list(make_upstream(), make_reply(Phase.LIST, body))

    assert isinstance(page, Page)
    (listed,) = page.jobs
    assert (listed.job, listed.prompt) == (JobRef("video_0123abcd"), "a paper boat")
    assert listed.created_at == datetime.fromtimestamp(1790000000, UTC)
    assert listed.step.made == Made(seconds=4, size="1280x720", model="sora-2")
    assert page.cursor == "video_0123abcd"


@pytest.mark.parametrize(
    ("status", "body"), [(500, '{"data":[]}'), (200, '{"data":'), (200, '{"data":{}}'), (None, "")]
)
def test_a_list_that_cannot_be_read_is_no_empty_list(
    make_upstream: MakeUpstream, make_reply: MakeReply, status: int | None, body: str
) -> None:
    page = read_list(make_upstream(), make_reply(Phase.LIST, body, status))

    assert isinstance(page, Failure)


def test_the_next_page_of_a_list_begins_after_the_last_job_of_this_one(
    make_upstream: MakeUpstream,
) -> None:
    find = adapter_for(make_upstream()).find
    assert find is not None

    first, second = (first_request(find(Doubt(ORDER, ""), each)).url for each in ("", "v/1"))

    assert first == "/videos?limit=50&order=desc"
    assert second == "/videos?limit=50&order=desc&after=v%2F1"


def test_an_empty_page_is_the_last(make_upstream: MakeUpstream, make_reply: MakeReply) -> None:
    assert read_list(make_upstream(), make_reply(Phase.LIST, '{"data":[]}')) == Page(())


def test_a_dialect_without_a_list_says_so(make_upstream: MakeUpstream) -> None:
    relay, maker = adapter_for(make_upstream(dialect="new_api")), adapter_for(make_upstream())

    assert (relay.find, relay.features.mark) == (None, Mark.NONE)
    assert maker.find is not None
    assert maker.features.mark is Mark.REQUEST


@pytest.mark.parametrize(
    "body",
    [
        '{"object":"list","data":[{"id":"Sora-2"},{"id":"veo"}]}',
        '{"data":[{"id":"openai/sora-2"}]}',
        '{"models":["sora-2"]}',
        '[{"name":"sora-2"}]',
        '{"data":[{"id":"veo"}],"has_more":true}',
    ],
)
def test_a_list_with_the_model_or_with_more_pages_proves_the_key(
    make_upstream: MakeUpstream, make_reply: MakeReply, body: str
) -> None:
    assert read_check(make_upstream(), make_reply(Phase.PROBE, body)) is None


@pytest.mark.parametrize("data", ['[{"id":"veo-3.1"}]', "[]"])
def test_a_model_that_is_not_listed_is_an_unknown_failure(
    make_upstream: MakeUpstream, make_reply: MakeReply, data: str
) -> None:
    reply = make_reply(Phase.PROBE, f'{{"object":"list","data":{data}}}')

    failure = read_check(make_upstream(), reply)

    assert isinstance(failure, Failure)
    assert (failure.kind, failure.rule) == (FailureKind.UNKNOWN, "models:not_listed")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, '{"error":{"message":"Incorrect key","code":"invalid_api_key"}}', "auth"),
        (200, "<html><body>Welcome to nginx!</body></html>", None),
        (200, '{"object":"list","da', None),
        (200, '{"hello":"world"}', None),
    ],
)
def test_an_unreadable_list_proves_nothing(
    make_upstream: MakeUpstream,
    make_reply: MakeReply,
    status: int,
    body: str,
    kind: str | None,
) -> None:
    reply = make_reply(Phase.PROBE, body, status)

    failure = read_check(make_upstream(), reply)

    assert isinstance(failure, Failure)
    assert kind is None or failure.kind == kind


@pytest.mark.parametrize(("body", "passes"), [('{"data":[{"id":', True), ("<html>…", False)])
def test_a_list_too_long_to_read_proves_the_key_and_a_long_page_does_not(
    make_upstream: MakeUpstream, make_reply: MakeReply, body: str, *, passes: bool
) -> None:
    reply = replace(make_reply(Phase.PROBE, body), truncated=True)

    assert (read_check(make_upstream(), reply) is None) == passes
