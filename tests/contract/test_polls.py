"""What a poll can meet: the job goes on, since it is paid for."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

import pytest

from tallylight.model.jobs import JobRef
from tallylight.upstreams.messages import Reply, Request
from tallylight.upstreams.protocol import Adapter
from tallylight.upstreams.status_words import StatusMeaning, status_meaning
from tallylight.upstreams.steps import Done, Failed, Missing, Trouble, Working
from tests.contract.altered import altered_poll, with_texts
from tests.contract.services import where
from tests.contract.site import Site
from tests.contract.waits import until_started

At = Callable[[str], Site]
PAGE = "<html><body><h1>Bad gateway</h1></body></html>"
ERROR = {"error": {"message": "oops", "type": "some_error", "param": None, "code": None}}
LIKES: Mapping[StatusMeaning | None, Sequence[str]] = {
    StatusMeaning.SUCCEEDED: ("completed", "Succeeded", "SUCCESS", "succeed", "done", "finished"),
    StatusMeaning.FAILED: ("failed", "error", "FAILURE", "Fail"),
}


def _polls(adapter: Adapter) -> object:
    return adapter.poll


polling = where(_polls)
following = where(lambda adapter: adapter.poll and adapter.features.create_timeout is None)
"""Where a job is polled from its beginning, since its create is not held until it is over."""


@polling
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "refuse", "http_status": 429, "body": ERROR, "headers": {"retry-after": "3"}},
        {"kind": "refuse", "http_status": 401, "body": ERROR},
        {"kind": "refuse", "http_status": 403, "body": ERROR},
        {"kind": "refuse", "http_status": 500, "body": ERROR},
        {"kind": "refuse", "http_status": 500, "body": ""},
        {"kind": "refuse", "http_status": 503, "body": PAGE},
        {"kind": "refuse", "http_status": 404, "body": PAGE},
        {"kind": "refuse", "http_status": 200, "body": PAGE},
        {"kind": "refuse", "http_status": 200, "body": ""},
        {"kind": "refuse", "http_status": 200, "body": {}},
        {"kind": "refuse", "http_status": 302, "headers": {"location": "https://[bad"}},
        {"kind": "cut", "at": 50},
        {"kind": "cut", "at": 0},
        {"kind": "reset"},
        {"kind": "hang"},
    ],
    ids=lambda fault: "-".join(str(each)[:12] for each in fault.values()),
)
async def test_an_answer_without_the_job_is_trouble_and_the_job_goes_on(
    at: At, name: str, fault: Mapping[str, object]
) -> None:
    site = at(name)
    accepted = await site.accepted()
    site.trouble({**fault, "doors": ["poll"]})

    step = await site.hurried(0.2).poll(accepted.job)

    assert isinstance(step, Trouble), step
    site.trouble()
    assert isinstance(await site.end(accepted), Done)


@polling
async def test_a_job_that_was_never_made_is_missing(at: At, name: str) -> None:
    site = at(name)
    job = (await site.accepted()).job
    other = job.id[:-1] + ("1" if job.id.endswith("0") else "0")
    extra = {key: value.replace(job.id, other) for key, value in job.extra.items()}

    step = await site.poll(JobRef(other, extra))

    assert isinstance(step, Missing), step


@following
async def test_a_status_word_that_nobody_knows_keeps_polling(at: At, name: str) -> None:
    site = at(name)
    site.trouble(kind="slow", factor=1000)  # it is still running, however busy the machine
    accepted = await site.accepted()

    step = await altered_poll(
        site, accepted.job, lambda reply: with_words(reply, lambda _: "refining_pixels")
    )

    assert isinstance(step, Working), step


@polling
@pytest.mark.parametrize("case", [str.upper, str.lower, str.title])
@pytest.mark.parametrize("is_failing", [False, True])
async def test_a_status_word_is_known_in_any_case(
    at: At, name: str, case: Callable[[str], str], *, is_failing: bool
) -> None:
    site = at(name)
    if is_failing:
        site.trouble(kind="fail")
    accepted = await site.accepted()
    end = await site.end(accepted)

    step = await altered_poll(site, accepted.job, lambda reply: with_words(reply, case))

    assert type(step) is type(end)
    assert isinstance(step, Failed if is_failing else Done)


@polling
@pytest.mark.parametrize("which", range(6))
@pytest.mark.parametrize("is_failing", [False, True])
async def test_a_status_word_is_known_by_its_likes(
    at: At, name: str, which: int, *, is_failing: bool
) -> None:
    site = at(name)
    if is_failing:
        site.trouble(kind="fail")
    accepted = await site.accepted()
    end = await site.end(accepted)

    def alike(word: str) -> str:
        words = LIKES.get(status_meaning(word), (word,))
        return words[which % len(words)]

    step = await altered_poll(site, accepted.job, lambda reply: with_words(reply, alike))

    assert type(step) is type(end)


def with_words(reply: Reply, change: Callable[[str], str]) -> Reply:
    """Return a reply with other status words."""
    return with_texts(
        reply,
        lambda name, text: change(text) if text and name.endswith(("status", "state")) else text,
    )


@polling
async def test_a_finished_job_without_a_file_is_neither_running_nor_a_result_of_nothing(
    at: At, name: str
) -> None:
    site = at(name)
    accepted = await site.accepted()
    await site.end(accepted)

    def without_addresses(reply: Reply) -> Reply:
        return with_texts(reply, lambda _, text: "" if text.startswith("http") else text)

    step = await altered_poll(site, accepted.job, without_addresses)

    assert isinstance(step, Failed | Done), step
    if isinstance(step, Done):  # a content call is left
        assert step.outputs


@polling
async def test_a_film_is_found_in_a_member_of_another_name(at: At, name: str) -> None:
    site = at(name)
    accepted = await site.accepted()
    end = await site.end(accepted)
    assert isinstance(end, Done)
    urls = {each.at.url for each in end.outputs if isinstance(each.at, Request)}

    def renamed(reply: Reply) -> Reply:
        try:
            document = json.loads(reply.body)
        except ValueError:
            return reply
        return replace(reply, body=json.dumps(with_other_names(document, urls)))

    step = await altered_poll(site, accepted.job, renamed)

    assert isinstance(step, Done), step


def with_other_names(value: object, urls: Collection[str]) -> object:
    """Return a document in which members with one of some addresses are called otherwise."""
    match value:
        case dict():
            members = ((_renamed(key, item, urls), item) for key, item in value.items())
            return {key: with_other_names(item, urls) for key, item in members}
        case list():
            return [with_other_names(item, urls) for item in value]
        case _:
            return value


def _renamed(key: str, value: object, urls: Collection[str]) -> str:
    is_one = isinstance(value, str) and value in urls
    is_list = isinstance(value, list) and any(isinstance(e, str) and e in urls for e in value)
    return "the_movie" if is_one or is_list else key


@where(
    lambda adapter: (
        adapter.poll and adapter.features.create_timeout is None and adapter.features.tells_queue
    )
)
async def test_a_queued_job_is_told_from_one_that_runs(at: At, name: str) -> None:
    site = at(name)
    site.trouble(kind="slow", factor=200)  # queued for 0.4 s, then running for 3.6 s
    accepted = await site.accepted()

    queued = await site.poll(accepted.job)

    assert isinstance(queued, Working)
    assert not queued.is_started
    await until_started(site, accepted)


@polling
async def test_a_reference_asks_for_the_job_after_a_restart(at: At, name: str) -> None:
    site = at(name)
    accepted = await site.accepted()
    stored = JobRef(accepted.job.id, dict(accepted.job.extra))

    end = await site.end(replace(accepted, job=stored))

    assert isinstance(end, Done)
    assert all(isinstance(each, str) for each in stored.extra.values())
