"""Reads the video object of `/v1/videos` and of its many imitations.

It handles the differences between servers: `error` as an object, a string, empty or absent;
progress as 30, "30%" or 0.3; envelopes around the task; a status that is absent, a number or a
phrase; two ids; failures inside HTTP 200; vLLM-Omni's failed jobs, whose HTTP status is the job's
error and not the server's.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from tallylight.model.evidence import Failure, FailureKind
from tallylight.upstreams.classify import classify
from tallylight.upstreams.classify.claims import says_error
from tallylight.upstreams.json_access import (
    json_amount,
    json_percent,
    json_timestamp,
    object_at,
    text_at,
    unwrapped_object,
)
from tallylight.upstreams.messages import Job, JobState, Phase, Reply
from tallylight.upstreams.protocols.failures import reply_failure, upstream_failure
from tallylight.upstreams.protocols.result_addresses import find_results
from tallylight.upstreams.status_words import StatusMeaning, status_meaning, video_object_state

#: Members around the task: the older route of new-api wraps it as {"code": "success", "data": {…}}.
_ENVELOPES = ("data", "task", "video", "result", "output", "response")
_VIDEO_FIELDS = frozenset({"progress", "seconds", "size", "model", "created_at", "completed_at"})
_ALL = 100  # percent


@dataclass(frozen=True, slots=True)
class VideoObjectReader:
    """Reads the answers of one dialect."""

    dialect: str
    base_url: str

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job in an answer, or why it holds none."""
        answer = unwrapped_object(reply.body)
        video = self._video_in(answer, reply)
        if video is None:
            return reply_failure(reply, self.dialect, "video:unreadable")
        job = self._job(video, answer, reply)
        if reply.is_success or (job.state is JobState.FAILED and not _lacks_video_fields(video)):
            return job
        return reply_failure(reply, self.dialect, "video:unreadable")

    def read_list(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return the jobs of a list, without entries that are no jobs."""
        entries = unwrapped_object(reply.body).get("data")
        if not reply.is_success or not isinstance(entries, list):
            return reply_failure(reply, self.dialect, "list:unreadable")
        replies = (replace(reply, phase=Phase.POLL, body=json.dumps(entry)) for entry in entries)
        jobs = tuple(map(self.read_job, replies))
        return tuple(job for job in jobs if isinstance(job, Job))

    def _video_in(self, answer: Mapping[str, object], reply: Reply) -> Mapping[str, object] | None:
        """Return the object that describes the job; None if there is none."""
        found = tuple(_candidates(answer))
        told = next(filter(_tells_state, found), None)
        if told is not None or reply.phase is not Phase.CREATE or not reply.is_success:
            return told
        # The answer to a create that holds an id and no error is a job, whatever else it says.
        named = sorted(filter(_has_id, found), key=_certainty, reverse=True)
        return named[0] if named and classify(reply, self.dialect) is None else None

    def _job(self, video: Mapping[str, object], answer: Mapping[str, object], reply: Reply) -> Job:
        word, progress = text_at(video, "status"), json_percent(video.get("progress"))
        state = video_object_state(word)
        may_be_done = state is JobState.COMPLETED or (state is None and progress == _ALL)
        results = find_results(video, answer, reply, self.base_url) if may_be_done else ()
        if state is None and results:
            state = JobState.COMPLETED
        elif state is None:  # a job with an unknown status word is polled on
            state = JobState.IN_PROGRESS if word else JobState.QUEUED
        if state is JobState.COMPLETED and says_error(video.get("error")) and not results:
            # LiteLLM reports a Gemini operation that is done with an error as completed.
            state = JobState.FAILED
        id_, other_id = _ids(video)
        return Job(
            id=id_,
            other_id=other_id,
            state=state,
            progress=progress,
            model=text_at(video, "model"),
            results=results,
            failure=self._failure(word, video, reply) if state is JobState.FAILED else None,
            created_at=json_timestamp(video.get("created_at")),
            expires_at=json_timestamp(video.get("expires_at")),
            prompt=text_at(video, "prompt"),
            seconds=text_at(video, "seconds"),
            size=text_at(video, "size"),
            cost=json_amount(object_at(video, "usage").get("cost")),
        )

    def _failure(self, word: str, video: Mapping[str, object], reply: Reply) -> Failure:
        if failure := classify(replace(reply, phase=Phase.POLL), self.dialect):
            return failure
        is_cancelled = status_meaning(word) is StatusMeaning.CANCELLED
        return upstream_failure(
            f"job:{word.lower()}",
            _error_message(video) or f"the job's status is {word}",
            # The answer does not say who cancelled it; a job that expired is the upstream's fault.
            kind=FailureKind.UNKNOWN if is_cancelled else FailureKind.DEGRADED,
            http_status=reply.status,
        )


def _candidates(body: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    """Yield the objects of an answer that may be the task: itself, or one in its envelope."""
    yield body
    for key in _ENVELOPES:
        value = body.get(key)
        yield object_at(value[0] if isinstance(value, list) and value else value)


def _tells_state(video: Mapping[str, object]) -> bool:
    status = video.get("status")
    if isinstance(status, str) and status:
        # An answer to a poll need not repeat the id that was asked for.
        is_task = video_object_state(status) is not None and not _VIDEO_FIELDS.isdisjoint(video)
        return _has_id(video) or video.get("object") == "video" or is_task
    return video.get("object") == "video" and _has_id(video)


def _has_id(video: Mapping[str, object]) -> bool:
    return any(_ids(video))


def _certainty(video: Mapping[str, object]) -> tuple[bool, bool]:
    """Return how certainly an object with an id is a task, not the request of one."""
    return video.get("object") == "video", "task_id" in video


def _ids(video: Mapping[str, object]) -> tuple[str, str]:
    """Return the id of a task, and another one that its server may know it by.

    In a video object `id` is its own, and `task_id` that of a further upstream. Elsewhere `id` may
    be that of the request.
    """
    id_, task_id = text_at(video, "id"), text_at(video, "task_id")
    first, second = (id_, task_id) if video.get("object") == "video" else (task_id, id_)
    return (first, "" if second == first else second) if first else (second, "")


def _lacks_video_fields(video: Mapping[str, object]) -> bool:
    # Under an HTTP error only a complete video object counts as one (vLLM-Omni sends it).
    return video.get("object") != "video" and "progress" not in video


def _error_message(video: Mapping[str, object]) -> str:
    error = video.get("error")
    message = error if isinstance(error, str) else text_at(error, "message")
    return message or text_at(video, "fail_reason")
