"""Reads the video object of `/v1/videos` and of its many imitations.

It handles the differences between servers: `error` as an object, a string or absent; progress as
30 or "30%"; the older envelope of new-api around the task; failures inside HTTP 200; vLLM-Omni's
failed jobs, whose HTTP status is the job's error and not the server's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from tallylight.model.evidence import Failure, FailureKind
from tallylight.upstreams.classify import classify
from tallylight.upstreams.json_access import (
    array_at,
    json_amount,
    json_http_url,
    json_percent,
    json_timestamp,
    object_at,
    text_at,
    unwrapped_object,
)
from tallylight.upstreams.messages import Job, JobState, Phase, Reply
from tallylight.upstreams.protocols.failures import reply_failure, upstream_failure
from tallylight.upstreams.status_words import StatusMeaning, status_meaning, video_object_state


@dataclass(frozen=True, slots=True)
class VideoObjectReader:
    """Reads the answers of one dialect."""

    dialect: str
    returns_url: bool

    def read_job(self, reply: Reply) -> Job | Failure:
        """Return the job in an answer, or why it holds none."""
        video = _video_in(unwrapped_object(reply.body), reply.phase)
        if video is None:
            return reply_failure(reply, self.dialect, "video:unreadable")
        job = self._job(video, reply)
        if reply.is_success or (job.state is JobState.FAILED and not _lacks_video_fields(video)):
            return job
        return reply_failure(reply, self.dialect, "video:unreadable")

    def read_list(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return the jobs of a list, without entries that are no jobs."""
        entries = unwrapped_object(reply.body).get("data")
        if not reply.is_success or not isinstance(entries, list):
            return reply_failure(reply, self.dialect, "list:unreadable")
        videos = [
            (video, replace(reply, body=json.dumps(entry)))
            for entry in entries
            if (video := _video_in(object_at(entry), Phase.POLL)) is not None
        ]
        return tuple(self._job(video, entry_reply) for video, entry_reply in videos)

    def _job(self, video: Mapping[str, object], reply: Reply) -> Job:
        word = text_at(video, "status")
        # A job with an unknown status word is polled on.
        state = (video_object_state(word) if word else JobState.QUEUED) or JobState.IN_PROGRESS
        url = _video_url(video) if state is JobState.COMPLETED else ""
        if state is JobState.COMPLETED and video.get("error") and not url:
            # LiteLLM reports a Gemini operation that is done with an error as completed.
            state = JobState.FAILED
        return Job(
            id=text_at(video, "task_id") or text_at(video, "id"),
            state=state,
            progress=json_percent(video.get("progress")),
            model=text_at(video, "model"),
            content_url=url if state is JobState.COMPLETED and self.returns_url else "",
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
        is_cancelled = status_meaning(word.lower()) is StatusMeaning.CANCELLED
        return upstream_failure(
            f"job:{word.lower()}",
            _error_message(video) or f"the job's status is {word}",
            # The answer does not say who cancelled it; a job that expired is the upstream's fault.
            kind=FailureKind.UNKNOWN if is_cancelled else FailureKind.DEGRADED,
            http_status=reply.status,
        )


def _video_in(body: Mapping[str, object], phase: Phase) -> Mapping[str, object] | None:
    # The older route of new-api wraps the task as {"code": "success", "data": {…}}.
    for candidate in (body, object_at(body, "data")):
        has_id = bool(text_at(candidate, "id") or text_at(candidate, "task_id"))
        has_status = isinstance(candidate.get("status"), str)
        if has_status and (has_id or candidate.get("object") == "video"):
            return candidate
        # Some relays answer a create with nothing but the new id. Beside an error, an id is the
        # one of the request.
        is_refusal = bool(candidate.get("error") or candidate.get("message"))
        if has_id and phase is Phase.CREATE and "status" not in candidate and not is_refusal:
            return candidate
    return None


def _lacks_video_fields(video: Mapping[str, object]) -> bool:
    # Under an HTTP error only a complete video object counts as one (vLLM-Omni sends it).
    return video.get("object") != "video" and "progress" not in video


def _video_url(video: Mapping[str, object]) -> str:
    data = object_at(video, "data")
    candidates = (
        video.get("url"),
        *array_at(video, "urls")[:1],
        video.get("video_url"),
        *array_at(video, "unsigned_urls")[:1],
        object_at(video, "metadata").get("url"),
        object_at(video, "video").get("url"),
        video.get("result_url"),
        data.get("result_url"),
        # new-api before 2026 put the URL of a finished task here
        video.get("fail_reason"),
    )
    return next(filter(None, map(json_http_url, candidates)), "")


def _error_message(video: Mapping[str, object]) -> str:
    error = video.get("error")
    message = error if isinstance(error, str) else text_at(error, "message")
    return message or text_at(video, "fail_reason")
