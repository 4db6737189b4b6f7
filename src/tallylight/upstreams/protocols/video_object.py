"""Reads the video object of `/v1/videos` and of its many imitations.

It handles the differences between servers: `error` as an object, a string, empty or absent;
progress as 30, "30%" or 0.3; envelopes around the task; a status that is absent, a number or a
phrase; two ids; failures inside HTTP 200; vLLM-Omni's failed jobs, whose HTTP status is the job's
error and not the server's.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Made, Usage
from tallylight.upstreams.classify.claims import says_error
from tallylight.upstreams.error_table import Errors
from tallylight.upstreams.failures import upstream_failure
from tallylight.upstreams.inline_files import InlineFile
from tallylight.upstreams.json_access import (
    json_amount,
    json_percent,
    json_seconds,
    json_timestamp,
    object_at,
    text_at,
    unwrapped_object,
)
from tallylight.upstreams.messages import Phase, Reply, Request, get
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.result_addresses import find_results, way_to
from tallylight.upstreams.status_words import StatusMeaning, video_object_status
from tallylight.upstreams.steps import VIDEO, Done, Failed, Known, Listed, Output, Working

#: Members around the task: the older route of new-api wraps it as {"code": "success", "data": {…}}.
_ENVELOPES = ("data", "task", "video", "result", "output", "response")
_VIDEO_FIELDS = frozenset({"progress", "seconds", "size", "model", "created_at", "completed_at"})
_ALL = 100  # percent
_DONE = StatusMeaning.SUCCEEDED

OTHER_ID = "other_id"
"""In a job's reference: another id in the same answer, by which the upstream may know it."""


@dataclass(frozen=True, slots=True)
class VideoObjectReader:
    """Reads the answers of one dialect.

    Args:
        errors: How its failures are known.
        base_url: What addresses in an answer are relative to.
        variants: The files that the content call has beside the video.
    """

    errors: Errors
    base_url: str
    variants: tuple[str, ...] = ()

    def read(self, reply: Reply, asked_id: str = "") -> Listed | None:
        """Return the job in an answer; None if it holds none.

        A job that was asked for keeps the id that its upstream knows it by: the answer may name it
        otherwise, or not at all.
        """
        answer = unwrapped_object(reply.body)
        video = self._video_in(answer, reply)
        if video is None:
            return None
        found = self._job(video, answer, reply, asked_id)
        is_failed = isinstance(found.step, Failed)
        return found if reply.is_success or (is_failed and not _lacks_video_fields(video)) else None

    def read_list(self, reply: Reply) -> tuple[Listed, ...] | Failure:
        """Return the jobs of a list, without entries that are no jobs."""
        entries = unwrapped_object(reply.body).get("data")
        if not isinstance(entries, list):
            return self.errors.failure(reply, "list:unreadable")
        replies = (replace(reply, phase=Phase.POLL, body=json.dumps(entry)) for entry in entries)
        return tuple(job for job in map(self.read, replies) if job is not None)

    def outputs(self, job: str, results: Iterable[str | InlineFile] = ()) -> tuple[Output, ...]:
        """Return the ways to the files of a job: those that its answer names, then the calls."""
        ways = [Output(VIDEO, way_to(each)) for each in results]
        if job:
            content = f"/videos/{path_segment(job)}/content"
            ways.append(Output(VIDEO, _file(content)))
            ways += (Output(each, _file(f"{content}?variant={each}")) for each in self.variants)
        return tuple(ways)

    def _video_in(self, answer: Mapping[str, object], reply: Reply) -> Mapping[str, object] | None:
        """Return the object that describes the job; None if there is none."""
        found = tuple(_candidates(answer))
        told = next(filter(_tells_state, found), None)
        if told is not None or reply.phase is not Phase.CREATE or not reply.is_success:
            return told
        # The answer to a create that holds an id and no error is a job, whatever else it says.
        named = sorted(filter(_has_id, found), key=_certainty, reverse=True)
        return named[0] if named and self.errors.of(reply) is None else None

    def _job(
        self,
        video: Mapping[str, object],
        answer: Mapping[str, object],
        reply: Reply,
        asked_id: str,
    ) -> Listed:
        id_, other_id = (asked_id, "") if asked_id else _ids(video)
        return Listed(
            job=JobRef(id_, {OTHER_ID: other_id} if other_id else {}),
            step=self._step(id_, video, answer, reply),
            prompt=text_at(video, "prompt"),
            created_at=json_timestamp(video.get("created_at")),
        )

    def _step(
        self, id_: str, video: Mapping[str, object], answer: Mapping[str, object], reply: Reply
    ) -> Known:
        word, progress = text_at(video, "status"), json_percent(video.get("progress"))
        status = video_object_status(word)
        may_be_done = status is _DONE or (status is None and progress == _ALL)
        results = find_results(video, answer, reply, self.base_url) if may_be_done else ()
        made, usage = _made(video), _usage(video)
        # LiteLLM reports a Gemini operation that is done with an error as completed.
        is_failed_done = status is _DONE and not results and says_error(video.get("error"))
        if is_failed_done or (status is not None and status.is_failure):
            return Failed(self._failure(word, video, reply), usage, made)
        if status is _DONE or (status is None and results):
            expires_at = json_timestamp(video.get("expires_at"))
            return Done(self.outputs(id_, results), made, usage, expires_at=expires_at)
        # A job with an unknown status word is polled on.
        is_started = bool(word) if status is None else status is StatusMeaning.RUNNING
        return Working(is_started, progress, _poll_after(reply), made, usage)

    def _failure(self, word: str, video: Mapping[str, object], reply: Reply) -> Failure:
        if failure := self.errors.of(replace(reply, phase=Phase.POLL)):
            return failure
        is_cancelled = video_object_status(word) is StatusMeaning.CANCELLED
        return upstream_failure(
            f"job:{word.lower()}",
            _error_message(video) or f"the job's status is {word}",
            # The answer does not say who cancelled it; a job that expired is the upstream's fault.
            kind=FailureKind.UNKNOWN if is_cancelled else FailureKind.DEGRADED,
            http_status=reply.status,
        )


def _file(url: str) -> Request:
    return get(Phase.CONTENT, url)


def _made(video: Mapping[str, object]) -> Made:
    seconds = json_seconds(video.get("seconds"))
    return Made(seconds, text_at(video, "size"), text_at(video, "model"))


def _usage(video: Mapping[str, object]) -> Usage | None:
    cost = json_amount(object_at(video, "usage").get("cost"))
    return None if cost is None else Usage(cost)


def _poll_after(reply: Reply) -> timedelta | None:
    milliseconds = reply.headers.get("openai-poll-after-ms", "")
    return timedelta(milliseconds=int(milliseconds[:9])) if milliseconds.isdecimal() else None


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
        is_task = video_object_status(status) is not None and not _VIDEO_FIELDS.isdisjoint(video)
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
