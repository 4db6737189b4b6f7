"""What relays really answer to a create and to a poll, from public reports of their users."""

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, cast

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure
from tallylight.upstreams.classify import classify
from tallylight.upstreams.classify.claims import says_error
from tallylight.upstreams.job_poll import poll_job
from tallylight.upstreams.json_access import json_percent
from tallylight.upstreams.messages import Job, JobState, Phase, Reply, Request
from tallylight.upstreams.missing_job import says_no_such_job
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.status_words import video_object_state

if TYPE_CHECKING:
    from tallylight.upstreams.transport import Transport

MakeUpstream = Callable[..., Upstream]
MakeReply = Callable[..., Reply]

FILM = "https://cdn.example/v.mp4"


@pytest.fixture
def read(make_upstream: MakeUpstream, make_reply: MakeReply) -> Callable[..., Job | Failure]:
    """Give a reader of the answers of a relay."""
    adapter = adapter_for(make_upstream(dialect="new_api"))

    def read(phase: Phase, answer: object, status: int = 200) -> Job | Failure:
        return adapter.read_job(make_reply(phase, json.dumps(answer), status))

    return read


Read = Callable[..., Job | Failure]


@pytest.mark.parametrize(
    ("words", "state"),
    [
        ("in_queue created accepted submitting 排队中 等待中 已提交", JobState.QUEUED),
        ("InProgress preparing cancelling 生成中 處理中 進行中", JobState.IN_PROGRESS),
        ("complete finished ready generated Success", JobState.COMPLETED),
        ("video_generation_completed TASK_STATUS_SUCCEED job.succeeded", JobState.COMPLETED),
        ("JobStatusCompleted 已完成 完成 生成成功 视频生成完成 任務已完成", JobState.COMPLETED),
        ("rejected timeout timed-out aborted task_failed", JobState.FAILED),
        ("失败 生成失敗 任务失败 审核不通过 超时 已取消 已过期", JobState.FAILED),
    ],
)
def test_a_status_is_known_in_any_spelling(words: str, state: JobState) -> None:
    assert {word: video_object_state(word) for word in words.split()} == dict.fromkeys(
        words.split(), state
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
def test_a_step_and_a_strange_word_are_no_end(read: Read, word: str) -> None:
    job = read(Phase.POLL, {"id": "v", "object": "video", "status": word, "progress": 100})

    assert isinstance(job, Job)
    assert not job.state.is_terminal


@pytest.mark.parametrize("status", ["marinated", None, "", 7])
def test_a_strange_word_beside_all_progress_and_an_address_is_done(
    read: Read, status: object
) -> None:
    answer = {"id": "v", "object": "video", "status": status, "progress": 100, "url": FILM}

    job = read(Phase.POLL, answer)

    assert isinstance(job, Job)
    assert job.state is JobState.COMPLETED


def test_an_address_beside_the_task_in_its_envelope_is_a_result(read: Read) -> None:
    answer = {"code": 0, "data": {"id": "v", "status": "completed"}, "video_url": FILM}

    job = read(Phase.POLL, answer)

    assert isinstance(job, Job)
    assert job.results == (FILM,)


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
def test_an_empty_error_is_no_error(read: Read, make_reply: MakeReply, empty: object) -> None:
    answer = {"id": "v", "object": "video", "status": "completed", "error": empty}

    job = read(Phase.POLL, answer)

    assert not says_error(empty)
    assert isinstance(job, Job)
    assert job.state is JobState.COMPLETED
    assert classify(make_reply(Phase.POLL, json.dumps(answer))) is None
    assert isinstance(read(Phase.CREATE, {"id": "v", "error": empty}), Job)


@pytest.mark.parametrize(
    "said",
    [True, 1, 500, "no", "失败", "エラー", ["no"], {"message": "no"}, {"code": 1, "message": ""}],
)
def test_an_error_that_says_something_is_one(read: Read, said: object) -> None:
    job = read(Phase.POLL, {"id": "v", "object": "video", "status": "completed", "error": said})

    assert says_error(said)
    assert isinstance(job, Job)
    assert job.state is JobState.FAILED
    assert isinstance(read(Phase.CREATE, {"id": "v", "error": said}), Failure)


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
    read: Read, answer: Mapping[str, object], id_: str
) -> None:
    job = read(Phase.CREATE, answer)

    assert isinstance(job, Job)
    assert job.id == id_
    assert not job.state.is_terminal


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
    read: Read, answer: Mapping[str, object], status: int
) -> None:
    assert isinstance(read(Phase.CREATE, answer, status), Failure)


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
    read: Read, answer: Mapping[str, object], ids: tuple[str, str]
) -> None:
    job = read(Phase.CREATE, answer)

    assert isinstance(job, Job)
    assert (job.id, job.other_id) == ids


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
    make_reply: MakeReply, status: int, body: object, *, is_lost: bool
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    reply = make_reply(Phase.POLL, text, status)

    failure = classify(reply, "new_api")

    assert failure is not None
    assert says_no_such_job(failure, reply) is is_lost


class Answers:
    """A transport that answers by the path of the request."""

    def __init__(self, make_reply: MakeReply, answers: Mapping[str, object]) -> None:
        self._make_reply = make_reply
        self._answers = answers
        self.asked: list[str] = []

    async def send(self, request: Request, _: Upstream) -> Reply:
        id_ = request.url.rpartition("/")[2]
        self.asked.append(id_)
        answer = self._answers.get(id_)
        status = 404 if answer is None else 200
        return self._make_reply(Phase.POLL, json.dumps(answer or {"detail": "no"}), status)


POLLED = {"id": 77, "object": "video", "status": "completed"}


@pytest.mark.parametrize(
    ("answers", "found", "asked"),
    [
        ({"first": POLLED}, "first", ["first"]),  # it names the job by a number of its own
        ({"first": {"object": "video", "status": "completed"}}, "first", ["first"]),
        ({"first": {"code": 0, "message": "success", "data": POLLED}}, "first", ["first"]),
        ({"other": POLLED}, "other", ["first", "other"]),
        ({}, None, ["first", "other"]),
    ],
)
async def test_a_job_is_asked_for_by_each_of_its_ids_and_keeps_the_one_that_is_known(
    make_upstream: MakeUpstream,
    make_reply: MakeReply,
    answers: Mapping[str, object],
    found: str | None,
    asked: list[str],
) -> None:
    transport = Answers(make_reply, answers)

    job, _ = await poll_job(
        "first", "other", make_upstream(dialect="new_api"), cast("Transport", transport)
    )

    assert (job.id if isinstance(job, Job) else None) == found
    assert transport.asked == asked
