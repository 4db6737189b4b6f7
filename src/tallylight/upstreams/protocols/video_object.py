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
    amount_of,
    items_of,
    mapping_of,
    moment_of,
    object_of,
    percent_of,
    text_of,
    web_address_of,
)
from tallylight.upstreams.messages import Job, JobState, Phase, Reply
from tallylight.upstreams.protocols.failures import failure_in, upstream_failure
from tallylight.upstreams.protocols.status_words import ENDED_WORDS, state_of

_SUCCESS = range(200, 300)


@dataclass(frozen=True, slots=True)
class VideoReader:
    """Reads the answers of one dialect.

    Args:
        dialect: Its name, for the classifier.
        names_address: A job's answer may name the video's own address, which goes before the
            content call.
    """

    dialect: str
    names_address: bool

    def job(self, reply: Reply) -> Job | Failure:
        """Return the job that an answer describes, or why there is none."""
        video = _video_in(object_of(reply.body) or {}, reply.phase)
        if video is None:
            return failure_in(reply, self.dialect, "video:unreadable")
        job = self._read(video, reply)
        if reply.status in _SUCCESS or (job.state is JobState.FAILED and not _is_bare(video)):
            return job
        return failure_in(reply, self.dialect, "video:unreadable")

    def listing(self, reply: Reply) -> tuple[Job, ...] | Failure:
        """Return the jobs of a list, skipping what is none."""
        entries = mapping_of(object_of(reply.body)).get("data")
        if reply.status not in _SUCCESS or not isinstance(entries, list):
            return failure_in(reply, self.dialect, "list:unreadable")
        videos = [
            (video, replace(reply, body=json.dumps(entry)))
            for entry in entries
            if (video := _video_in(mapping_of(entry), Phase.POLL)) is not None
        ]
        return tuple(self._read(video, one) for video, one in videos)

    def _read(self, video: Mapping[str, object], reply: Reply) -> Job:
        word = text_of(video.get("status"))
        known = state_of(word) if word else JobState.QUEUED
        state = known or JobState.IN_PROGRESS
        address = _address_in(video) if state is JobState.COMPLETED else ""
        if state is JobState.COMPLETED and video.get("error") and not address:
            # LiteLLM reports a Gemini operation that is done with an error as completed.
            state = JobState.FAILED
        return Job(
            id=text_of(video.get("task_id")) or text_of(video.get("id")),
            state=state,
            progress=percent_of(video.get("progress")),
            model=text_of(video.get("model")),
            content_url=address if state is JobState.COMPLETED and self.names_address else "",
            failure=self._why(word, video, reply) if state is JobState.FAILED else None,
            created_at=moment_of(video.get("created_at")),
            expires_at=moment_of(video.get("expires_at")),
            prompt=text_of(video.get("prompt")),
            strange_word="" if known else word,
            seconds=text_of(video.get("seconds")),
            size=text_of(video.get("size")),
            cost=amount_of(mapping_of(video.get("usage")).get("cost")),
        )

    def _why(self, word: str, video: Mapping[str, object], reply: Reply) -> Failure:
        if failure := classify(replace(reply, phase=Phase.POLL), self.dialect):
            return failure
        ended = word.lower() in ENDED_WORDS and word.lower() != "expired"
        return upstream_failure(
            f"job:{word.lower()}",
            _words_of(video) or f"the job's status is {word}",
            # Nobody says who cancelled it; a job that ran out of time is the upstream's.
            kind=FailureKind.UNKNOWN if ended else FailureKind.DEGRADED,
            http_status=reply.status,
        )


def _video_in(body: Mapping[str, object], phase: Phase) -> Mapping[str, object] | None:
    # The older route of new-api wraps the task as {"code": "success", "data": {…}}.
    for candidate in (body, mapping_of(body.get("data"))):
        has_id = bool(text_of(candidate.get("id")) or text_of(candidate.get("task_id")))
        has_status = isinstance(candidate.get("status"), str)
        if has_status and (has_id or candidate.get("object") == "video"):
            return candidate
        # Some relays answer a create with nothing but the new id; beside an error an id is
        # that of the request.
        is_refusal = bool(candidate.get("error") or candidate.get("message"))
        if has_id and phase is Phase.CREATE and "status" not in candidate and not is_refusal:
            return candidate
    return None


def _is_bare(video: Mapping[str, object]) -> bool:
    # Under an HTTP error only a whole video object is believed to be one (vLLM-Omni sends it).
    return video.get("object") != "video" and "progress" not in video


def _address_in(video: Mapping[str, object]) -> str:
    data = mapping_of(video.get("data"))
    candidates = (
        video.get("url"),
        *items_of(video.get("urls"))[:1],
        video.get("video_url"),
        *items_of(video.get("unsigned_urls"))[:1],
        mapping_of(video.get("metadata")).get("url"),
        mapping_of(video.get("video")).get("url"),
        video.get("result_url"),
        data.get("result_url"),
        # new-api before 2026 put the address of a finished task here
        video.get("fail_reason"),
    )
    return next((address for one in candidates if (address := web_address_of(one))), "")


def _words_of(video: Mapping[str, object]) -> str:
    error = video.get("error")
    said = error if isinstance(error, str) else text_of(mapping_of(error).get("message"))
    return said or text_of(video.get("fail_reason"))
