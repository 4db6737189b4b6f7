"""Simulated upstreams: what jobs there are and what each was billed, which no process sees.

They see only HTTP requests, as a real upstream does.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import count
from typing import NamedTuple

from tallylight.catalogue.services import LISTED_AFTER
from tests.jobs.stepped_loop import WorldTime

LISTING, BLIND, CANCELLING, REFUNDING = "listing", "blind", "cancelling", "refunding"
UPSTREAMS = (LISTING, BLIND, CANCELLING, REFUNDING)
"""Each has one service of the same name: `world_configuration` has them."""

LISTS_ALL = frozenset({LISTING, REFUNDING})

ESTIMATE = Decimal("0.4")
STALL_SECONDS = 300.0
_RENDER_SECONDS = 60.0

_FORM_FIELD = r'name="{}"\r\n\r\n(.*?)\r\n'


class CreateAnswer(StrEnum):
    """What an upstream does with a create, and what its sender is told."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    RESET = "reset"  # no job, and no response
    ACCEPT_AND_RESET = "accept_and_reset"  # a job, and no response


class JobTruth(StrEnum):
    """What an upstream does with a job."""

    WORKING = "working"
    DONE = "done"
    FAILED = "failed"


class HttpAnswer(NamedTuple):
    """What an upstream answers."""

    status: int
    body: bytes
    content_type: str = "application/json"


@dataclass(slots=True)
class TwinJob:
    """A job, with what it was billed so far in USD.

    Args:
        heard_by: The sender of its create, if that still waited for the answer.
    """

    id: str
    upstream: str
    prompt: str
    accepted_at: float
    created: int  # Unix seconds
    listed_at: float
    sent_at: float
    truth: JobTruth = JobTruth.WORKING
    billed: Decimal = ESTIMATE
    is_forgotten: bool = False
    was_forgotten: bool = False
    is_stuck: bool = False
    ended_at: float | None = None
    heard_by: object = None

    def end(self, truth: JobTruth, billed: Decimal, at: float) -> None:
        """Finish it or fail it; a failure costs all, or nothing where deliveries are billed."""
        if truth is JobTruth.WORKING:
            return
        self.truth, self.ended_at = truth, at
        if truth is JobTruth.DONE:
            self.billed = billed
        elif self.upstream == REFUNDING:
            self.billed = Decimal(0)

    def forget(self) -> None:
        """Deny it from now on, or no longer."""
        self.is_forgotten = not self.is_forgotten
        self.was_forgotten = True

    def shown(self) -> dict[str, object]:
        """Return it as the upstream shows it."""
        words = {"working": "in_progress", "done": "completed", "failed": "failed"}
        shown: dict[str, object] = {
            "id": self.id,
            "object": "video",
            "status": words[self.truth.value],
            "progress": 100 if self.truth is JobTruth.DONE else 30,
            "model": "film-1",
            "prompt": self.prompt,
            "created_at": self.created,
        }
        if self.truth is JobTruth.FAILED:
            shown["error"] = {"message": "the renderer crashed"}
        if self.truth is JobTruth.DONE and self.billed != ESTIMATE:
            shown["usage"] = {"cost": float(self.billed)}
        return shown


@dataclass(slots=True)
class Create:
    """A create on the wire.

    Args:
        accepted_until: When it has been refused, if it was not accepted before, in seconds of the
            world: what an operator promises with `lists_all_jobs`.
        sender: Who has sent it.
        answer: Tells its sender the answer, None for a connection that was reset; returns whether
            the sender still waits for it.
    """

    upstream: str
    prompt: str
    sent_at: float
    accepted_until: float
    sender: object
    answer: Callable[[HttpAnswer | None], bool]


class Sent(NamedTuple):
    """A create that reached an upstream."""

    upstream: str
    prompt: str


class Twins:
    """All upstreams."""

    def __init__(self, time: WorldTime) -> None:
        self._time = time
        self._numbers = count(1)
        self.under_way: list[Create] = []
        self.jobs: list[TwinJob] = []
        self.sent: list[Sent] = []
        self.moods: dict[str, CreateAnswer | None] = dict.fromkeys(UPSTREAMS, CreateAnswer.ACCEPT)

    @property
    def jobs_at_work(self) -> list[TwinJob]:
        """Return the jobs that have not ended."""
        return [job for job in self.jobs if job.truth is JobTruth.WORKING]

    def receive_create(
        self,
        upstream: str,
        body: bytes,
        answer_within: float,
        sender: object,
        answer: Callable[[HttpAnswer | None], bool],
    ) -> None:
        """Take a create; it is answered later."""
        prompt, now = _prompt_in(body), self._time.seconds
        self.sent.append(Sent(upstream, prompt))
        until = now + answer_within + LISTED_AFTER.total_seconds()
        self.under_way.append(Create(upstream, prompt, now, until, sender, answer))

    def answer(self, create: Create, how: CreateAnswer, lag: float = 0.0) -> None:
        """Answer a create; its job shows in the list after a lag."""
        self.under_way.remove(create)
        match how:
            case CreateAnswer.REFUSE:
                create.answer(_json_answer({"error": {"message": "no capacity"}}, status=503))
            case CreateAnswer.RESET:
                create.answer(None)
            case CreateAnswer.ACCEPT_AND_RESET:
                self._accept(create, lag)
                create.answer(None)
            case CreateAnswer.ACCEPT:
                job = self._accept(create, lag)
                if create.answer(_json_answer(job.shown())):
                    job.heard_by = create.sender

    def _accept(self, create: Create, lag: float) -> TwinJob:
        now = self._time.seconds
        job = TwinJob(
            id=f"job_{next(self._numbers)}",
            upstream=create.upstream,
            prompt=create.prompt,
            accepted_at=now,
            created=int(self._time.now.timestamp()),
            listed_at=min(now + lag, create.accepted_until),
            sent_at=create.sent_at,
        )
        self.jobs.append(job)
        return job

    def answer_by_mood(self) -> bool:
        """Answer a create of an upstream that is not silent; tell whether there was one."""
        for create in self.under_way:
            how = self.moods[create.upstream]
            if how is not None:
                self.answer(create, how)
                return True
        return False

    def pass_time(self) -> None:
        """Refuse what was not accepted in time, and finish what is rendered."""
        now = self._time.seconds
        for create in tuple(self.under_way):
            if now >= create.accepted_until:
                self.answer(create, CreateAnswer.REFUSE)
        for job in self.jobs_at_work:
            if not job.is_stuck and now >= job.accepted_at + _RENDER_SECONDS:
                job.end(JobTruth.DONE, ESTIMATE, now)

    def respond(
        self, upstream: str, method: str, path: str, query: Mapping[str, str]
    ) -> HttpAnswer:
        """Answer anything but a create."""
        if path == "/videos":
            return self._list(upstream, is_first="after" not in query)
        id_, _, rest = path.removeprefix("/videos/").partition("/")
        job = next(
            (each for each in self.jobs if (each.upstream, each.id) == (upstream, id_)), None
        )
        if job is None or job.is_forgotten:
            return _json_answer({"error": {"message": "there is no such video"}}, status=404)
        if method == "DELETE":
            return self._cancel(job)
        if rest == "content":
            return HttpAnswer(200, b"\0\0\0\x18ftypmp42 a film", "video/mp4")
        return _json_answer(job.shown())

    def _list(self, upstream: str, *, is_first: bool) -> HttpAnswer:
        now = self._time.seconds
        shown = [
            job.shown()
            for job in reversed(self.jobs)
            if is_first and job.upstream == upstream and job.listed_at <= now
        ]
        return _json_answer({"object": "list", "data": shown})

    def _cancel(self, job: TwinJob) -> HttpAnswer:
        if job.truth is not JobTruth.WORKING:
            return _json_answer({"error": {"message": "it has ended"}}, status=409)
        job.truth, job.billed, job.ended_at = JobTruth.FAILED, Decimal(0), self._time.seconds
        return _json_answer({"id": job.id, "object": "video.deleted", "deleted": True})


def _json_answer(value: Mapping[str, object], status: int = 200) -> HttpAnswer:
    return HttpAnswer(status, json.dumps(value).encode())


def _prompt_in(body: bytes) -> str:
    """Return the prompt in a create: JSON or a form."""
    text = body.decode()
    if text.startswith("{"):
        return str(json.loads(text)["prompt"])
    found = re.search(_FORM_FIELD.format("prompt"), text, re.DOTALL)
    assert found is not None
    return found[1]
