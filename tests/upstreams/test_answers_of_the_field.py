"""What relays really answer to a create and to a poll, from public reports of their users."""

import json
from collections.abc import Callable, Mapping

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.jobs import JobRef
from tallylight.upstreams.acceptance import Submission
from tallylight.upstreams.classify import classify
from tallylight.upstreams.classify.claims import says_error
from tallylight.upstreams.error_table import says_no_such_job
from tallylight.upstreams.json_access import json_percent
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.video_object import OTHER_ID
from tallylight.upstreams.status_words import StatusMeaning, video_object_status
from tallylight.upstreams.steps import Accepted, Done, Failed, Missing, Step, Trouble, Working
from tests.upstreams.flows import Answers, read_create, read_poll, urls

MakeUpstream = Callable[..., Upstream]
MakeReply = Callable[..., Reply]

FILM = "https://cdn.example/v.mp4"


Create = Callable[..., Submission]
Poll = Callable[..., Step]


@pytest.fixture
def create(make_upstream: MakeUpstream, make_reply: MakeReply) -> Create:
    """Give a reader of what a relay answers to a create."""
    relay = make_upstream(dialect="new_api")

    def read(answer: object, status: int = 200) -> Submission:
        return read_create(relay, make_reply(Phase.CREATE, json.dumps(answer), status))

    return read


@pytest.fixture
def poll(make_upstream: MakeUpstream, make_reply: MakeReply) -> Poll:
    """Give a reader of what a relay answers to a poll."""
    relay = make_upstream(dialect="new_api")

    def read(answer: object, status: int = 200) -> Step:
        return read_poll(relay, make_reply(Phase.POLL, json.dumps(answer), status))

    return read


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("in_queue created accepted submitting 排队中 等待中 已提交", StatusMeaning.QUEUED),
        ("InProgress preparing cancelling 生成中 處理中 進行中", StatusMeaning.RUNNING),
        ("complete finished ready generated Success", StatusMeaning.SUCCEEDED),
        ("video_generation_completed TASK_STATUS_SUCCEED job.succeeded", StatusMeaning.SUCCEEDED),
        (
            "JobStatusCompleted 已完成 完成 生成成功 视频生成完成 任務已完成",
            StatusMeaning.SUCCEEDED,
        ),
        ("rejected timeout timed-out aborted task_failed", StatusMeaning.FAILED),
        ("失败 生成失敗 任务失败 审核不通过 超时", StatusMeaning.FAILED),
        ("cancelled 已取消", StatusMeaning.CANCELLED),
        ("expired 已过期", StatusMeaning.EXPIRED),
    ],
)
def test_a_status_is_known_in_any_spelling(words: str, status: StatusMeaning) -> None:
    assert {word: video_object_status(word) for word in words.split()} == dict.fromkeys(
        words.split(), status
    )


@pytest.mark.parametrize(
    "word",
    [
        "upload_completed",
        "not_completed",
        "partially_done",
        "未完成",
        "marinating",
        "internal_error",
    ],
)
def test_a_step_and_a_strange_word_are_no_end(poll: Poll, word: str) -> None:
    step = poll({"id": "v", "object": "video", "status": word, "progress": 100})

    assert isinstance(step, Working)


@pytest.mark.parametrize("status", ["marinated", None, "", 7])
def test_a_strange_word_beside_all_progress_and_an_address_is_done(
    poll: Poll, status: object
) -> None:
    answer = {"id": "v", "object": "video", "status": status, "progress": 100, "url": FILM}

    assert isinstance(poll(answer), Done)


def test_an_address_beside_the_task_in_its_envelope_is_a_result(poll: Poll) -> None:
    answer = {"code": 0, "data": {"id": "v", "status": "completed"}, "video_url": FILM}

    step = poll(answer)

    assert isinstance(step, Done)
    assert urls(step.outputs) == [FILM, "/videos/v/content"]


@pytest.mark.parametrize(
    "empty",
    [
        None,
        False,
        0,
        "",
        " ",
        "null",
        "0",
        [],
        {},
        {"code": "", "message": ""},
        {"code": None, "message": None},
        {"code": 0, "message": "success", "details": []},
        {"code": 200, "message": "OK"},
        [{"message": ""}],
    ],
)
def test_an_empty_error_is_no_error(
    poll: Poll, create: Create, make_reply: MakeReply, empty: object
) -> None:
    answer = {"id": "v", "object": "video", "status": "completed", "error": empty}

    assert not says_error(empty)
    assert isinstance(poll(answer), Done)
    assert classify(make_reply(Phase.POLL, json.dumps(answer))) is None
    assert isinstance(create({"id": "v", "error": empty}), Accepted)


@pytest.mark.parametrize(
    "said",
    [True, 1, 500, "no", "失败", "エラー", ["no"], {"message": "no"}, {"code": 1, "message": ""}],
)
def test_an_error_that_says_something_is_one(poll: Poll, create: Create, said: object) -> None:
    step = poll({"id": "v", "object": "video", "status": "completed", "error": said})

    assert says_error(said)
    assert isinstance(step, Failed)
    assert not isinstance(create({"id": "v", "error": said}), Accepted)


@pytest.mark.parametrize(
    ("answer", "id_"),
    [
        ({"id": "v", "object": "video"}, "v"),
        ({"id": "v", "object": "video", "status": None}, "v"),
        ({"id": "v", "object": "video", "status": 1}, "v"),
        ({"id": "v", "object": "video", "status": ""}, "v"),
        ({"id": "v", "message": "ok"}, "v"),
        ({"task_id": "t"}, "t"),
        ({"code": 200, "data": [{"status": "submitted", "task_id": "t"}]}, "t"),
        ({"code": 200, "msg": "success", "data": {"task_id": "t"}}, "t"),
        ({"id": "request", "data": {"task_id": "t"}}, "t"),
        ({"output": {"task_id": "t", "task_status": "PENDING"}}, "t"),
        ({"result": {"id": "v", "object": "video"}}, "v"),
    ],
)
def test_an_id_in_a_create_without_an_error_is_a_job(
    create: Create, answer: Mapping[str, object], id_: str
) -> None:
    said = create(answer)

    assert isinstance(said, Accepted)
    assert said.job.id == id_
    assert isinstance(said.step, Working)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"id": "req", "code": "insufficient_user_quota", "message": "no money"}, 200),
        ({"id": "req", "success": False, "message": "no"}, 200),
        ({"id": "req", "object": "video"}, 400),
        ({"message": "welcome"}, 200),
    ],
)
def test_an_id_beside_a_refusal_is_no_job(
    create: Create, answer: Mapping[str, object], status: int
) -> None:
    assert not isinstance(create(answer, status), Accepted)


@pytest.mark.parametrize(
    ("answer", "ids"),
    [
        ({"id": "v", "task_id": 48, "object": "video", "status": "queued"}, ("v", "48")),
        ({"id": "request", "task_id": "t", "status": "queued"}, ("t", "request")),
        ({"id": "t", "task_id": "t", "status": "queued"}, ("t", "")),
        ({"task_id": "t", "object": "video", "status": "queued"}, ("t", "")),
    ],
)
def test_of_two_ids_the_one_of_the_video_goes_first(
    create: Create, answer: Mapping[str, object], ids: tuple[str, str]
) -> None:
    said = create(answer)

    assert isinstance(said, Accepted)
    assert (said.job.id, said.job.extra.get(OTHER_ID, "")) == ids


@pytest.mark.parametrize(
    ("said", "percent"),
    [
        (0.1, 10),
        (0.45, 45),
        ("0.9", 90),
        (1.0, 100),
        (1, 1),
        ("0.5%", 0),
        (30.7, 30),
        ("80 %", 80),
        (140, 100),
        (-5, None),
        ("abc", None),
        (None, None),
        (True, None),
    ],
)
def test_progress_is_a_number_or_a_fraction(said: object, percent: int | None) -> None:
    assert json_percent(said) == percent


LOST = [
    (404, {"error": {"code": 404, "message": "task not found"}}),
    (400, {"code": "task_not_exist", "message": "task_not_exist", "data": None}),
    (200, {"code": "task_not_exist", "message": "task_not_exist", "data": None}),
    (500, {"error": {"message": "video task not found", "type": "server_error"}}),
    (400, {"error": "no such task"}),
    (400, {"error": {"message": "unknown video id abc"}}),
    (200, {"success": False, "message": "Could not find task with id x"}),
    (200, {"code": 500, "msg": "任务不存在"}),
    (200, {"code": 400, "msg": "找不到該任務"}),
    (404, {"detail": "Not Found"}),
]
NOT_LOST = [
    (404, "<html><body>404 Not Found</body></html>"),
    (404, "404 page not found"),
    (503, {"error": {"message": "no available channel for this model, channel not found"}}),
    (401, {"error": {"message": "user not found", "code": "invalid_api_key"}}),
    (400, {"error": {"message": "Task is not completed yet, current status: NOT_START"}}),
    (429, {"error": {"message": "too many requests"}}),
    (500, {"error": {"message": "internal error"}}),
]


@pytest.mark.parametrize(
    ("status", "body", "is_lost"),
    [(*each, True) for each in LOST] + [(*each, False) for each in NOT_LOST],
)
def test_a_lost_job_is_known_by_its_words_under_any_status(
    make_upstream: MakeUpstream,
    make_reply: MakeReply,
    status: int,
    body: object,
    *,
    is_lost: bool,
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    reply = make_reply(Phase.POLL, text, status)

    failure = classify(reply)

    assert failure is not None
    assert says_no_such_job(failure, reply) is is_lost
    step = read_poll(make_upstream(dialect="new_api"), reply)
    assert type(step) is (Missing if is_lost else Trouble)


POLLED = {"id": 77, "object": "video", "status": "completed"}
UNKNOWN = {"detail": "no"}
BUSY = {"error": {"message": "too many requests"}}


@pytest.mark.parametrize(
    ("answers", "step", "asked"),
    [
        ([(200, POLLED)], Done, ["first"]),  # it names the job by a number of its own
        ([(200, {"object": "video", "status": "completed"})], Done, ["first"]),
        ([(200, {"code": 0, "message": "success", "data": POLLED})], Done, ["first"]),
        ([(404, UNKNOWN), (200, POLLED)], Done, ["first", "other"]),
        ([(404, UNKNOWN), (404, UNKNOWN)], Missing, ["first", "other"]),
        ([(404, UNKNOWN), (429, BUSY)], Trouble, ["first", "other"]),
        ([(429, BUSY)], Trouble, ["first"]),
    ],
)
async def test_a_job_is_asked_for_by_each_of_its_ids_and_keeps_the_one_that_is_known(
    make_upstream: MakeUpstream,
    make_reply: MakeReply,
    answers: list[tuple[int, object]],
    step: type[Step],
    asked: list[str],
) -> None:
    relay = make_upstream(dialect="new_api")
    server = Answers(*(make_reply(Phase.POLL, json.dumps(said), code) for code, said in answers))

    found = await server.client.poll(JobRef("first", {OTHER_ID: "other"}), relay)

    assert type(found) is step
    assert [request.url for request in server.asked] == [f"/videos/{each}" for each in asked]
    if isinstance(found, Done):
        assert urls(found.outputs) == [f"/videos/{asked[-1]}/content"]
