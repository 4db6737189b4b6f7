"""fal's queue: the path is the model, and what a job made stands in a second document.

There is no word for a failed job: it is COMPLETED, and its result is an error. The facts and their
sources: `docs/protocols.md`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from http import HTTPStatus
from itertools import chain
from urllib.parse import quote

from tallylight.documents.addresses import HttpUrl
from tallylight.documents.section import Section
from tallylight.model.evidence import NOT_LISTED_RULE, Failure, FailureKind
from tallylight.model.jobs import FREE, JobRef
from tallylight.model.order import Form, Medium, Order, Role
from tallylight.upstreams.addresses import is_at_host
from tallylight.upstreams.auth import SchemeAuth
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.failures import as_upstream_fault, upstream_failure
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Features, Flow, Site
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.placed_inputs import write_with_inputs
from tallylight.upstreams.protocols.result_addresses import find_results, way_to
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import (
    IMAGE,
    VIDEO,
    Accepted,
    Done,
    Failed,
    Known,
    Output,
    Step,
    Working,
)

_FORMS = frozenset(Form)
_INPUTS = {
    (role, Medium.IMAGE): _FORMS for role in (Role.FIRST_FRAME, Role.LAST_FRAME, Role.REFERENCE)
}

_STARTED = {"in_queue": False, "in_progress": True}
_COMPLETED = "completed"
_URLS = {"status_url": "/status", "response_url": "", "cancel_url": "/cancel"}
_PATH = "path"
_NO_SUCH_REQUEST = "00000000-0000-4000-8000-000000000000"

_SERVER_ERRORS = range(500, 600)
#: Refusals of the question for the result, which say nothing of the job.
_OF_THE_QUESTION = frozenset({401, 403, 408, 429})
_MODEL_ERROR = 422


class FalOptions(Section):
    """What an upstream may set.

    Args:
        openapi_url: Where the schema of an endpoint is; that of an endpoint that is gone is not.
            "" asks for none.
    """

    openapi_url: HttpUrl | None = "https://fal.ai/api/openapi/queue/openapi.json"


def _codes(answer: JsonView) -> Iterable[str]:
    return chain(
        (each.text("type") for each in answer.items("detail")), [answer.text("error_type")]
    )


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.QUOTA, words=("exhausted balance",)),
        Row(FailureKind.SUSPENDED, words=("user is locked",), is_named=True),
        Row(FailureKind.CONTENT_REJECTED, ("content_policy_violation",)),
        Row(FailureKind.INVALID_REQUEST, ("value_error*", "missing", "literal_error", "*_type")),
        Row(FailureKind.INVALID_REQUEST, ("image_too_*", "file_download_error", "unsupported_*")),
        Row(FailureKind.DEGRADED, ("runner_*", "startup_timeout", "request_timeout"), is_free=True),
        Row(FailureKind.DEGRADED, ("internal_error", "downstream_service_*"), is_free=True),
        Row(FailureKind.DEGRADED, ("generation_timeout", "no_media_generated", "no_output")),
    ),
)


def _make(site: Site) -> Adapter:
    queue = _Queue(site)
    return Adapter(
        features=Features(inputs=_INPUTS, wordings=queue.wordings),
        errors=_ERRORS,
        reach=lambda model: Request(Phase.REACH, "GET", _status_path(model), is_signed=False),
        check=queue.check,
        submit=queue.submit,
        accepted=_accepted,
        poll=queue.poll,
        cancel=queue.cancel,
    )


class _Queue:
    """The queue of one upstream."""

    def __init__(self, site: Site) -> None:
        self.wordings = site.wordings
        self._base_url = site.base_url
        self._openapi_url = site.options_as(FalOptions).openapi_url

    def check(self, model: str) -> Flow[Accepted | Failure | None]:
        """Ask for a request that is not there, and whether the endpoint still is."""
        reply = yield get(Phase.PROBE, _status_path(model), reads=ANY_STATUS)
        is_denied = reply.status == HTTPStatus.NOT_FOUND and reply.json.is_object  # by no proxy
        if not (reply.is_success or is_denied):
            return _ERRORS.failure(reply, "check:unreadable")
        if self._openapi_url is None:
            return None
        schema = yield Request(
            Phase.PROBE,
            "GET",
            f"{self._openapi_url}?endpoint_id={quote(model)}",
            is_signed=False,
            is_optional=True,
        )
        if schema.status != HTTPStatus.NOT_FOUND:
            return None
        return upstream_failure(
            NOT_LISTED_RULE,
            f"there is no endpoint {model}",
            kind=FailureKind.UNKNOWN,
            http_status=schema.status,
        )

    def submit(self, order: Order, mark: str) -> Request:  # noqa: ARG002  # none is kept
        """Return the paid request. The server shall not repeat a job by itself."""
        body = write_with_inputs(self.wordings, order)
        request = post_json(Phase.CREATE, f"/{quote(order.model)}", body)
        return replace(request, headers={"X-Fal-No-Retry": "1"})

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for the state of a job; of a finished one, for its result, too."""
        reply = yield get(Phase.POLL, self._url(job, "status_url"))
        state = reply.json
        word = known_as(state.text("status"), *_STARTED, _COMPLETED)
        if word != _COMPLETED:
            if not word:
                return _ERRORS.no_job(reply, "state:unreadable")
            return Working(_STARTED.get(word, True))
        result = yield get(Phase.RESULT, self._url(job, "response_url"), reads=ANY_STATUS)
        if result.is_success and not result.json.is_object:
            return _ERRORS.no_job(result, "result:unreadable")  # a page: the film may be there
        if result.is_success:
            return self._done(result)
        is_over = bool(state.text("error") or state.text("error_type"))
        if result.status in _OF_THE_QUESTION or not (is_over or _is_told(result)):
            return _ERRORS.no_job(result, "result:unreadable")  # a bare 504 passes: it may be there
        failure = as_upstream_fault(_ERRORS.failure(result, "result:failed"))
        is_free = result.status in _SERVER_ERRORS and _is_told(result)  # not the page of a proxy
        return Failed(failure, FREE if is_free else None)

    def cancel(self, job: JobRef) -> Flow[Step]:
        """Cancel a job that has not ended; one that was still queued is not billed."""
        before = yield from self.poll(job)
        if not isinstance(before, Working):
            return before
        yield Request(Phase.CANCEL, "PUT", self._url(job, "cancel_url"), reads=ANY_STATUS)
        after = yield from self.poll(job)
        if not isinstance(after, Failed) or before.is_started:
            return after
        has_run = after.failure.http_status == _MODEL_ERROR  # it was started after the first look
        return after if has_run else replace(after, usage=FREE)

    def _url(self, job: JobRef, name: str) -> str:
        """Return an address that a create named; of another host, the same here.

        A relay may repeat those of fal, where our key is not known and not sent.
        """
        named = job.extra[name]
        return named if is_at_host(named, self._base_url) else f"{job.extra[_PATH]}{_URLS[name]}"

    def _done(self, reply: Reply) -> Known:
        outputs = tuple(self._outputs(reply))
        return Done(outputs) if outputs else Failed(_ERRORS.named("no_output", "no file was named"))

    def _outputs(self, reply: Reply) -> Iterator[Output]:
        """Yield the files of a result: its lists, else whatever else it names."""
        answer, found = reply.json, False
        for name, kind in (("videos", VIDEO), ("images", IMAGE)):
            for index, item in enumerate(answer.items(name)):
                if url := item.text("url"):
                    found = True
                    yield Output(kind, get(Phase.CONTENT, url), index)
        if not found and isinstance(answer.value, dict):
            for each in find_results(answer.value, answer.value, reply, self._base_url):
                yield Output(VIDEO, way_to(each))


def _accepted(order: Order, reply: Reply) -> Accepted | None:
    answer = reply.json
    id_ = answer.text("request_id") if reply.is_success else ""
    if not id_:
        return None
    # The paths that fal names carry the owner and the alias alone.
    request = f"{_requests_path(order.model)}/{path_segment(id_)}"
    urls = {name: answer.text(name) or f"{request}{end}" for name, end in _URLS.items()}
    return Accepted(JobRef(id_, {_PATH: request, **urls}))


def _requests_path(model: str) -> str:
    return f"/{quote('/'.join(model.split('/')[:2]))}/requests"


def _status_path(model: str) -> str:
    """Return where the state of a request would be that nobody made."""
    return f"{_requests_path(model)}/{_NO_SUCH_REQUEST}/status"


def _is_told(reply: Reply) -> bool:
    """Tell whether an answer in place of a result is about the job, not about the question."""
    is_typed = "x-fal-error-type" in reply.headers or bool(reply.json.text("error_type"))
    return is_typed or reply.status == _MODEL_ERROR


DEFINITION = Definition(
    name="fal",
    dialects=("fal",),
    make=_make,
    auth=lambda _: SchemeAuth("Key"),
    options=FalOptions,
)
