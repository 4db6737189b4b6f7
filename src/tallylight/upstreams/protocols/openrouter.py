"""OpenRouter's videos: one API for the models of many makers.

The cost is told in the answer of a finished job, or by a document beside it; a create in doubt can
be looked for nowhere. What a caller passes on to the maker behind the route has a price that no
list tells. The facts and their sources: `docs/protocols.md`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Made, Usage
from tallylight.model.order import Form, Input, Medium, Order, Role
from tallylight.upstreams.addresses import resolved_address
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_access import json_timestamp
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Features, Flow, Site
from tallylight.upstreams.protocols.model_list import read_model_list
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import VIDEO, Accepted, Done, Failed, Output, Step, Working

_FRAMES = (Role.FIRST_FRAME, Role.LAST_FRAME)
_INPUTS = {(role, Medium.IMAGE): frozenset(Form) for role in (*_FRAMES, Role.REFERENCE)}
_CLASSES = ("360p", "480p", "720p", "768p", "1080p", "1k", "2k", "4k")
_WORDING = Wording(
    words={
        Measure.MODEL: (Word("model"),),
        Measure.PROMPT: (Word("prompt"),),
        Measure.SECONDS: (Word("duration", Spelling.INTEGER),),
        Measure.RESOLUTION: (
            Word("resolution", Spelling.TABLE, {each: each.replace("k", "K") for each in _CLASSES}),
        ),
        Measure.ASPECT: (Word("aspect_ratio", Spelling.RATIO),),
        Measure.AUDIO: (Word("generate_audio", Spelling.BOOLEAN),),
        Measure.SEED: (Word("seed", Spelling.INTEGER),),
    },
    passes=frozenset({"callback_url", "session_id", "trace", "user"}),
    priced=frozenset(
        {"provider", "size", "previous_job_id", "upscale_factor", "creativity"}
        | {"duration", "resolution", "generate_audio", "frame_images", "input_references"}
    ),
)

_MODELS = "/videos/models"
_STARTED = {"pending": False, "in_progress": True}
_ENDED = ("failed", "dead", "cancelled", "expired")
_STATES = (*_STARTED, "completed", *_ENDED)


def _codes(answer: JsonView) -> Iterator[str]:
    """Yield the codes of an answer, and what its metadata shows: the numbers repeat the status."""
    metadata = answer.at("error.metadata")
    if metadata.text("flagged_input") or any(metadata.items("reasons")):
        yield "flagged_input"
    if metadata.text("provider_name"):
        yield "provider_error"
    yield answer.text("error.code")


# That 402 with Retry-After is a limit, and without it no credit, is known to the classifier.
_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.CONTENT_REJECTED, ("flagged_input",)),
        Row(FailureKind.DEGRADED, ("provider_error",), statuses=(429,)),
        Row(FailureKind.QUOTA, ("no_credit",)),
        Row(FailureKind.QUOTA, words=("key limit exceeded",)),
        Row(FailureKind.UNKNOWN, words=("is not a valid model id", "no endpoints found")),
        Row(FailureKind.DEGRADED, ("cancelled", "expired", "dead")),
    ),
)


def _make(site: Site) -> Adapter:
    videos = _Videos(site)
    return Adapter(
        features=Features(inputs=_INPUTS, wordings=videos.wordings),
        errors=_ERRORS,
        reach=lambda _: Request(Phase.REACH, "GET", _MODELS, is_signed=False),
        check=_check,
        submit=videos.submit,
        accepted=_accepted,
        poll=videos.poll,
    )


class _Videos:
    """The videos of one upstream."""

    def __init__(self, site: Site) -> None:
        self.wordings = {**site.wordings, "*": _WORDING}
        self._base_url = site.base_url

    def submit(self, order: Order, mark: str) -> Request:  # noqa: ARG002  # none is kept
        """Return the paid request."""
        body = wording_for(self.wordings, order.model).write(order)
        return post_json(Phase.CREATE, "/videos", body | _pictures(order.inputs))

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for a job; for the cost of a finished one, too, if its answer does not tell it."""
        reply = yield get(Phase.POLL, _path(job))
        answer = reply.json
        match known_as(answer.text("status"), *_STATES):
            case "":
                return _ERRORS.no_job(reply, "video:unreadable")
            case "completed" if answer.text("error") and not any(self._named(answer)):
                return Failed(_ERRORS.named("failed", answer.text("error")), _told_usage(answer))
            case "completed":
                usage = yield from _usage(answer)
                return Done(
                    tuple(self._outputs(job, answer)),
                    Made(model=answer.text("model")),
                    usage,
                    expires_at=json_timestamp(answer.at("expires_at").value),
                )
            case word if word in _ENDED:
                return Failed(_ERRORS.named(word, answer.text("error")), _told_usage(answer))
            case word:
                return Working(_STARTED.get(word, True))

    def _outputs(self, job: JobRef, answer: JsonView) -> Iterator[Output]:
        """Yield the ways to the files: signed addresses, those that need our key, the content."""
        yield from self._named(answer)
        yield Output(VIDEO, get(Phase.CONTENT, f"{_path(job)}/content", {"index": "0"}))

    def _named(self, answer: JsonView) -> Iterator[Output]:
        for name in ("urls", "unsigned_urls"):
            for index, each in enumerate(answer.items(name)):
                if url := resolved_address(each.text(), self._base_url):
                    yield Output(VIDEO, get(Phase.CONTENT, url), index)


def _usage(answer: JsonView) -> Flow[Usage | None]:
    """Return what a finished job took; of one at a caller's own key OpenRouter knows a part."""
    usage, id_ = _told_usage(answer), answer.text("generation_id")
    if (usage is not None and usage.amount) or not id_ or _is_own_key(answer):
        return usage
    reply = yield replace(get(Phase.RESULT, "/generation", {"id": id_}), is_optional=True)
    cost = reply.json.number("data.total_cost") if reply.is_success else None
    return None if cost is None else Usage(cost)


def _told_usage(answer: JsonView) -> Usage | None:
    cost = None if _is_own_key(answer) else answer.number("usage.cost")
    return None if cost is None else Usage(cost)


def _is_own_key(answer: JsonView) -> bool:
    return answer.at("usage.is_byok").value is True


def _check(model: str) -> Flow[Accepted | Failure | None]:
    """Ask for the models, which all may see, then for the key and what it may still spend."""
    reply = yield get(Phase.PROBE, _MODELS)
    if (failure := read_model_list(reply, _ERRORS, model)) is not None:
        return failure
    reply = yield get(Phase.PROBE, "/key")
    key = reply.json.at("data")
    if not key.is_object:
        return _ERRORS.failure(reply, "key:unreadable")
    left = key.balance("limit_remaining")
    is_spent = left is not None and left <= 0
    return _ERRORS.named("no_credit", "the limit of the key is reached") if is_spent else None


def _accepted(order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG001
    id_ = reply.json.text("id") if reply.is_success else ""
    return Accepted(JobRef(id_)) if id_ else None


def _pictures(inputs: Iterable[Input]) -> dict[str, object]:
    parts: dict[str, list[object]] = {}
    for each in inputs:
        part = {"type": "image_url", "image_url": {"url": each.address}}
        if each.role in _FRAMES:
            parts.setdefault("frame_images", []).append({**part, "frame_type": each.role.value})
        else:
            parts.setdefault("input_references", []).append(part)
    return {**parts}


def _path(job: JobRef) -> str:
    return f"/videos/{path_segment(job.id)}"


DEFINITION = Definition(name="openrouter", dialects=("openrouter",), make=_make)
