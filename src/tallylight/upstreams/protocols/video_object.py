"""Reads the video object of `/v1/videos` and its many imitations into a job.

What differs from server to server is met here once: `error` as an object, a string or absent;
progress as 30 or "30%"; the older envelope of new-api around the task; failures inside HTTP 200;
vLLM-Omni's failed jobs, whose HTTP status is the job's error and not the server's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tallylight.model.evidence import Failure, FailureKind
from tallylight.upstreams.classify import classify
from tallylight.upstreams.json_access import (
    json_amount,
    json_array,
    json_http_url,
    json_object,
    json_percent,
    json_text,
    json_timestamp,
    unwrapped_object,
)
from tallylight.upstreams.messages import Job, JobState, Phase, Reply
from tallylight.upstreams.protocols.failures import reply_failure, upstream_failure
from tallylight.upstreams.protocols.status_words import ENDED_WORDS, job_state_of

_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class VideoObjectReader:
    """Reads the answers of one dialect.

    Args:
        dialect: Its name, for the classifier.
        names_address: A job's answer may name the video's own address, which goes before the
            content call.
    """

    dialect: str
    returns_url: bool

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job that an answer describes, or why there is none."""
        video = _video_in(unwrapped_object(reply.body) or {}, reply.phase)
        if video is None:
            return reply_failure(reply, self.dialect, "video:unreadable")
        job = self._job(video, reply)
        if reply.status in _SUCCESS or (
            job.state is JobState.FAILED and not _lacks_video_fields(video)
        ):
            return job
        return reply_failure(reply, self.dialect, "video:unreadable")

    def read_list(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return the jobs of a list, skipping what is none."""
        entries = json_object(unwrapped_object(reply.body)).get("data")
        if reply.status not in _SUCCESS or not isinstance(entries, list):
            return reply_failure(reply, self.dialect, "list:unreadable")
        videos = [
            (video, replace(reply, body=json.dumps(entry)))
            for entry in entries
            if (video := _video_in(json_object(entry), Phase.POLL)) is not None
        ]
        return tuple(self._job(video, one) for video, one in videos)

    def _job(self, video: Mapping[str, object], reply: Reply) -> Job:
        word = json_text(video.get("status"))
        known = job_state_of(word) if word else JobState.QUEUED
        state = known or JobState.IN_PROGRESS
        address = _video_url(video) if state is JobState.COMPLETED else ""
        if state is JobState.COMPLETED and video.get("error") and not address:
            # LiteLLM reports a Gemini operation that is done with an error as completed.
            state = JobState.FAILED
        return Job(
            id=json_text(video.get("task_id")) or json_text(video.get("id")),
            state=state,
            progress=json_percent(video.get("progress")),
            model=json_text(video.get("model")),
            content_url=address if state is JobState.COMPLETED and self.returns_url else "",
            failure=self._failure(word, video, reply) if state is JobState.FAILED else None,
            created_at=json_timestamp(video.get("created_at")),
            expires_at=json_timestamp(video.get("expires_at")),
            prompt=json_text(video.get("prompt")),
            unknown_status="" if known else word,
            seconds=json_text(video.get("seconds")),
            size=json_text(video.get("size")),
            cost=json_amount(json_object(video.get("usage")).get("cost")),
        )

    def _failure(self, word: str, video: Mapping[str, object], reply: Reply) -> Failure:
        if failure := classify(replace(reply, phase=Phase.POLL), self.dialect):
            return failure
        ended = word.lower() in ENDED_WORDS and word.lower() != "expired"
        return upstream_failure(
            f"job:{word.lower()}",
            _error_message(video) or f"the job's status is {word}",
            # Nobody says who cancelled it; a job that ran out of time is the upstream's.
            kind=FailureKind.UNKNOWN if ended else FailureKind.DEGRADED,
            http_status=reply.status,
        )


def _video_in(body: Mapping[str, object], phase: Phase) -> Mapping[str, object] | None:
    # The older route of new-api wraps the task as {"code": "success", "data": {…}}.
    for candidate in (body, json_object(body.get("data"))):
        has_id = bool(json_text(candidate.get("id")) or json_text(candidate.get("task_id")))
        has_status = isinstance(candidate.get("status"), str)
        if has_status and (has_id or candidate.get("object") == "video"):
            return candidate
        # Some relays answer a create with nothing but the new id; beside an error an id is
        # that of the request.
        is_refusal = bool(candidate.get("error") or candidate.get("message"))
        if has_id and phase is Phase.CREATE and "status" not in candidate and not is_refusal:
            return candidate
    return None


def _lacks_video_fields(video: Mapping[str, object]) -> bool:
    # Under an HTTP error only a whole video object is believed to be one (vLLM-Omni sends it).
    return video.get("object") != "video" and "progress" not in video


def _video_url(video: Mapping[str, object]) -> str:
    data = json_object(video.get("data"))
    candidates = (
        video.get("url"),
        *json_array(video.get("urls"))[:1],
        video.get("video_url"),
        *json_array(video.get("unsigned_urls"))[:1],
        json_object(video.get("metadata")).get("url"),
        json_object(video.get("video")).get("url"),
        video.get("result_url"),
        data.get("result_url"),
        # new-api before 2026 put the address of a finished task here
        video.get("fail_reason"),
    )
    return next((address for one in candidates if (address := json_http_url(one))), "")


def _error_message(video: Mapping[str, object]) -> str:
    error = video.get("error")
    said = error if isinstance(error, str) else json_text(json_object(error).get("message"))
    return said or json_text(video.get("fail_reason"))
