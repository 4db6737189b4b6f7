"""Where an answer names the result of its job."""

import base64
import json
from collections.abc import Mapping

import pytest

from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.result_addresses import (
    MAX_ADDRESSES,
    find_results,
    results_named_in,
)

BASE = "https://up.test/v1"
FILM = "https://cdn.test/boat.mp4"
BARE = "https://cdn.test/get/7"
PICTURE = "https://cdn.test/boat.jpg"


def found(job: Mapping[str, object]) -> tuple[object, ...]:
    return find_results(job, job, Reply(Phase.POLL, 200, {}, ""), BASE)


@pytest.mark.parametrize(
    "job",
    [
        {"url": BARE},
        {"video_url": BARE},
        {"videoUrl": BARE},
        {"urls": [BARE]},
        {"unsigned_urls": [BARE]},
        {"result_url": BARE},
        {"video": {"url": BARE}},
        {"video": BARE},
        {"metadata": {"url": BARE}},
        {"data": {"result_url": BARE}},
        {"data": [{"url": BARE}]},
        {"output": BARE},
        {"output": [BARE]},
        {"outputs": {"0": {"video": BARE}}},
        {"result": [BARE]},
        {"task_result": {"videos": [{"id": "1", "url": BARE, "duration": "5"}]}},
        {"response": {"generateVideoResponse": {"generatedSamples": [{"video": {"uri": BARE}}]}}},
        {"artifacts": [{"type": "video", "url": BARE}]},
        {"file": {"file_id": 7, "filename": "boat.mp4", "download_url": BARE}},
        {"generations": [{"result": {"url": BARE, "thumbnail": PICTURE}}]},
        {"media": {"poster": PICTURE, "video": {"src": BARE}}},
        {"creations": [{"url": BARE, "cover_url": "https://cdn.test/c"}]},
        {"resultJson": json.dumps({"resultUrls": [BARE]})},
        {"content": {"video_url": BARE, "last_frame_url": "https://cdn.test/f"}},
        {"fail_reason": BARE},
        {"a": {"b": {"c": {"whatever": BARE}}}},
        {"urls": {"get": "https://up.test/job", "cancel": "https://up.test/c"}, "output": BARE},
        {"url": BARE, "input": {"video_url": "https://caller.test/source.mp4"}},
        {"url": BARE, "callback_url": "https://caller.test/hook", "status_url": "https://u.test/s"},
        {"url": BARE, "error": {"docs": "https://up.test/help"}, "docs_url": "https://up.test/d"},
        {"url": BARE, "images": [PICTURE], "avatar": "https://cdn.test/me"},
        {"url": BARE, "page": "https://up.test/page.html", "subs": "https://cdn.test/a.vtt"},
    ],
)
def test_the_address_is_found_in_any_member_that_holds_nothing_else(job: dict[str, object]) -> None:
    assert found(job) == (BARE,)


@pytest.mark.parametrize(
    "job",
    [
        {"output": "success", "message": "see https://up.test/help for more"},
        {"video": "completed", "result": "ok/done"},
        {"thumbnail_url": PICTURE, "webhook": "https://caller.test/hook"},
        {"prompt": "/imagine a boat", "title": "boat.mp4"},
        {"error": {"message": "failed", "url": "https://up.test/help"}},
        {"input": {"image_url": "https://caller.test/a.png"}, "reference_video": FILM},
        {"url": ""},
        {"url": None},
        {"url": 7},
    ],
)
def test_what_leads_elsewhere_is_no_result(job: dict[str, object]) -> None:
    assert found(job) == ()


@pytest.mark.parametrize(
    ("job", "addresses"),
    [
        ({"url": "/files/a.mp4"}, ("https://up.test/files/a.mp4",)),
        ({"video_url": "v1/files/a.mp4"}, ("https://up.test/v1/files/a.mp4",)),
        ({"output": ["//cdn.test/x.mp4"]}, ("https://cdn.test/x.mp4",)),
        ({"file": "/files/7"}, ("https://up.test/files/7",)),
        ({"url": "/files/my boat.mp4"}, ("https://up.test/files/my boat.mp4",)),
        (
            {"url": "/app/out/1.mp4", "metadata": {"url": FILM}},
            (FILM, "https://up.test/app/out/1.mp4"),
        ),
    ],
)
def test_a_path_is_relative_to_the_upstream(
    job: dict[str, object], addresses: tuple[str, ...]
) -> None:
    assert found(job) == addresses


def test_the_members_that_name_the_video_come_first_and_doubtful_ones_last() -> None:
    job = {
        "preview_url": "https://cdn.test/6",
        "watermarked": "https://cdn.test/7",
        "something": "https://cdn.test/5",
        "clip": "https://cdn.test/4.webm",
        "download_url": "https://cdn.test/3",
        "video_url": "https://cdn.test/2",
        "url": "https://cdn.test/1",
    }

    assert found(job) == tuple(f"https://cdn.test/{n}" for n in ("1", "2", "4.webm", "3", 5, 6, 7))


def test_a_picture_counts_only_where_there_is_nothing_else() -> None:
    assert found({"url": PICTURE, "video_url": BARE}) == (BARE,)
    assert found({"url": PICTURE}) == (PICTURE,)
    inline = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(100)).decode()
    assert found({"still": inline, "video_url": BARE}) == (BARE,)


def test_an_animation_is_tried_after_a_film() -> None:
    animation = "https://cdn.test/boat.gif"

    assert found({"gif_url": animation, "download": BARE}) == (BARE, animation)
    assert found({"url": animation}) == (animation,)


def test_the_number_of_addresses_is_bounded_and_none_comes_twice() -> None:
    many = [f"https://cdn.test/{number}" for number in range(50)]

    assert found({"url": many[0], "urls": many}) == tuple(many[:MAX_ADDRESSES])


def test_the_object_around_the_job_is_searched_but_no_other_job() -> None:
    job = {"id": "1", "status": "completed"}
    reply = Reply(Phase.POLL, 200, {}, "")

    beside = find_results(job, {"data": job, "result_url": BARE}, reply, BASE)
    other = find_results(job, {"data": [job, {"id": "2", "url": FILM}]}, reply, BASE)

    assert (beside, other) == ((BARE,), ())


def test_deep_and_wide_answers_end() -> None:
    deep: object = BARE
    for _ in range(500):
        deep = {"a": deep}

    assert found({"deep": deep, "wide": [[{"a": 1}]] * 100_000, "url": BARE})[-1:] in {(BARE,), ()}


@pytest.mark.parametrize(
    ("body", "results"),
    [
        (json.dumps({"url": BARE}), (BARE,)),
        (json.dumps([BARE]), (BARE,)),
        (json.dumps({"data": {"download_url": "/f/1"}}), ("https://up.test/f/1",)),
        (json.dumps(BARE), (BARE,)),
        (f" {BARE}\n", (BARE,)),
        (json.dumps({"error": {"message": "expired", "url": BARE}}), ()),
        ("not yet / try again", ()),
        ("<html><a href='https://x.test'>", ()),
        ("", ()),
    ],
)
def test_an_answer_in_place_of_a_file_may_name_it(body: str, results: tuple[str, ...]) -> None:
    assert results_named_in(Reply(Phase.CONTENT, 200, {}, body), BASE) == results
