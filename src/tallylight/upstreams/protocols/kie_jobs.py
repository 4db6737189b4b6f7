"""kie.ai's jobs: every answer is HTTP 200, with the truth in `code`.

The result is JSON inside a string, the cost is told in credits, and each model has an input of its
own. There is no list, so a create in doubt counts as paid. The facts and their sources:
`docs/protocols/kie_jobs.md`.
"""

from collections.abc import Iterable
from decimal import Decimal

from tallylight.documents.parsers import Money
from tallylight.documents.section import Section
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Usage
from tallylight.model.order import Form, Medium, Order, Role
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Features, Flow, Site
from tallylight.upstreams.protocols.placed_inputs import write_with_inputs
from tallylight.upstreams.protocols.result_addresses import films_at
from tallylight.upstreams.status_words import known_as
from tallylight.upstreams.steps import (
    Accepted,
    Done,
    Failed,
    Known,
    Step,
    Working,
)

_INPUTS = {
    (role, Medium.IMAGE): frozenset({Form.URL})
    for role in (Role.FIRST_FRAME, Role.LAST_FRAME, Role.REFERENCE)
}
_CREDIT = "/api/v1/chat/credit"
_CREATE, _RECORD = "/api/v1/jobs/createTask", "/api/v1/jobs/recordInfo"
_STARTED = {"waiting": False, "queuing": False, "generating": True}
_STATES = (*_STARTED, "success", "fail")
_GOOD = "200"
_CONTENT = ("content policy", "sensitive", "nsfw", "moderat", "violat", "flagged")


class KieJobsOptions(Section):
    """What an upstream may set.

    Args:
        usd_per_credit: What a credit of the account costs, by which jobs are settled.
    """

    usd_per_credit: Money | None = Decimal("0.005")


def _codes(answer: JsonView) -> Iterable[str]:
    return (answer.text("data.failCode"), answer.text("code"))


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.MAINTENANCE, ("455",), is_named=True),
        Row(FailureKind.SUSPENDED, ("505",), is_named=True),
        Row(FailureKind.SUSPENDED, words=("temporarily paused",), is_named=True),
        Row(FailureKind.QUOTA, ("402", "433")),
        Row(FailureKind.AUTH, ("401",)),
        Row(FailureKind.RATE_LIMITED, ("429",)),
        Row(FailureKind.CONTENT_REJECTED, ("422", "501"), words=_CONTENT),
        Row(FailureKind.RETIRED, ("422",), words=("model name you specified is not supported",)),
        Row(FailureKind.UNKNOWN, ("404",), is_missing=True),
        Row(FailureKind.UNKNOWN, ("422",), words=("recordinfo is null",), is_missing=True),
        Row(FailureKind.INVALID_REQUEST, ("422",)),
        Row(FailureKind.DEGRADED, ("501", "no_output")),
    ),
)


def _make(site: Site) -> Adapter:
    jobs = _Jobs(site)
    return Adapter(
        features=Features(inputs=_INPUTS, wordings=site.wordings, checks_model=False),
        errors=_ERRORS,
        reach=lambda _: Request(Phase.REACH, "GET", _CREDIT, is_signed=False),
        check=_check,
        submit=jobs.submit,
        accepted=_accepted,
        poll=jobs.poll,
    )


class _Jobs:
    """The jobs of one upstream."""

    def __init__(self, site: Site) -> None:
        self._wordings = site.wordings
        self._usd_per_credit = site.options_as(KieJobsOptions).usd_per_credit

    def submit(self, order: Order, mark: str) -> Request:  # noqa: ARG002  # none is kept
        """Return the paid request."""
        given = write_with_inputs(self._wordings, order)
        return post_json(Phase.CREATE, _CREATE, {"model": order.model, "input": given})

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for the record of a job."""
        reply = yield get(Phase.POLL, _RECORD, {"taskId": job.id})
        # A record is one under any code: 501 may say of the answer what it says of the job.
        known = self._step(reply.json.at("data"))
        return _ERRORS.no_job(reply, "record:unreadable") if known is None else known

    def _step(self, record: JsonView) -> Known | None:
        """Return the state of a record, None if it tells none."""
        match known_as(record.text("state"), *_STATES):
            case "":
                return None
            case "success":
                return self._done(record)
            case "fail":
                failure = _ERRORS.named(record.text("failCode") or "failed", record.text("failMsg"))
                return Failed(failure, self._usage(record))
            case word:
                return Working(_STARTED.get(word, True))

    def _done(self, record: JsonView) -> Known:
        told = record.at("resultJson")
        result = told if told.is_object else JsonView.parse(told.text())
        # Some models have a word of their own.
        outputs = films_at((each.text() for each in result.items("resultUrls")), result)
        usage = self._usage(record)
        if not outputs:
            return Failed(_ERRORS.named("no_output", "no file was named"), usage)
        return Done(outputs, usage=usage)

    def _usage(self, record: JsonView) -> Usage | None:
        credits_ = record.number("creditsConsumed")
        if credits_ is None or self._usd_per_credit is None:
            return None
        return Usage(credits_ * self._usd_per_credit)


def _check(_: str) -> Flow[Accepted | Failure | None]:
    """Ask for the balance. The path of the create is never tried: it is paid."""
    reply = yield get(Phase.PROBE, _CREDIT)
    answer = reply.json
    if answer.text("code") != _GOOD:
        return _ERRORS.failure(reply, "credit:unreadable")
    left = answer.balance("data")
    is_spent = left is not None and left <= 0
    return _ERRORS.named("402", "no credits are left") if is_spent else None


def _accepted(order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG001  # all are alike
    # Whatever the code is: what has an id may have been made, and its record tells.
    id_ = reply.json.text("data.taskId") if reply.is_success else ""
    return Accepted(JobRef(id_)) if id_ else None


DEFINITION = Definition(name="kie_jobs", dialects=("kie_jobs",), make=_make, options=KieJobsOptions)
