"""The kinds of fault that a scenario can inject into a service."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, TypeAdapter, model_validator

from tallylight.simulator.scenario_section import ScenarioSection


class Endpoint(StrEnum):
    """An operation that a fault can affect; every protocol maps its paths to these."""

    CREATE = "create"  # the paid request
    POLL = "poll"
    RESULT = "result"  # a document that names the outputs, where it is not the poll's
    CONTENT = "content"  # the bytes of an output
    LIST = "list"
    CANCEL = "cancel"  # also the deletion of a job
    CHECK = "check"  # models, balance: what a free probe of a key asks
    UPLOAD = "upload"  # of an input, before the create
    TOKEN = "token"  # noqa: S105  # the exchange of a secret for a token


class NamedState(StrEnum):
    """A state that a refusal names; each dialect has its own text and form for it."""

    RISK_CONTROL = "risk_control"
    SUSPENDED = "suspended"
    MAINTENANCE = "maintenance"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    AUTH = "auth"
    CONTENT_REJECTED = "content_rejected"


class VideoDefect(StrEnum):
    """What is wrong with a delivered video."""

    BROKEN = "broken"  # truncated: no player opens it
    EMPTY = "empty"
    BLACK = "black"
    FROZEN = "frozen"
    SILENT = "silent"  # no audio track
    WRONG_SIZE = "wrong_size"
    WRONG_LENGTH = "wrong_length"
    OTHER_MODEL = "other_model"


class ReportedStatus(StrEnum):
    """Component status on a status page."""

    OPERATIONAL = "operational"
    DEGRADED_PERFORMANCE = "degraded_performance"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"
    UNDER_MAINTENANCE = "under_maintenance"


class SimulatedFault(ScenarioSection):
    """Base of all kinds of fault.

    Args:
        share: Share of requests, or of accepted jobs, that it affects. The shares of simultaneous
            faults add up: two of 0.5 affect half of the requests each.
        feed: What the provider's status page reports for it, `operational` for nothing; None
            leaves the default of the kind.
    """

    share: float = Field(default=1.0, gt=0, le=1)
    feed: ReportedStatus | None = None


class Refuse(SimulatedFault):
    """Refuse requests, with a given response or with the dialect's text for a state.

    Args:
        http_status: Status of the response; 200 for a failure that hides in one.
        body: A mapping is sent as JSON, a string as it is.
        unlisted: Meanwhile the list of models omits the model.
        accepts: A create is accepted and billed nevertheless, as by a server that fails between
            acceptance and response.
    """

    kind: Literal["refuse"]
    http_status: int | None = Field(default=None, ge=200, le=599)
    body: str | dict[str, JsonValue] = ""
    headers: Mapping[str, str] = Field(default_factory=dict)
    state: NamedState | None = Field(default=None, alias="sign")
    endpoints: tuple[Endpoint, ...] = Field(default=(Endpoint.CREATE,), alias="doors")
    unlisted: bool = False
    accepts: bool = False

    @model_validator(mode="after")
    def _check_exclusive(self) -> Self:
        if (self.http_status is None) == (self.state is None):
            raise ValueError("a refusal needs either http_status (with body, headers) or sign")
        return self


class Hang(SimulatedFault):
    """Never respond; with `accepts`, a create is billed nevertheless: its outcome is in doubt."""

    kind: Literal["hang"]
    accepts: bool = True
    endpoints: tuple[Endpoint, ...] = Field(default=(Endpoint.CREATE,), alias="doors")


class Reset(SimulatedFault):
    """Read the request and reset the connection; settings as in `Hang`."""

    kind: Literal["reset"]
    accepts: bool = False
    endpoints: tuple[Endpoint, ...] = Field(default=(Endpoint.CREATE,), alias="doors")


class AnswerLate(SimulatedFault):
    """Serve requests, and answer them `after` seconds later."""

    kind: Literal["answer_late"]
    after: float = Field(default=30.0, gt=0)
    endpoints: tuple[Endpoint, ...] = Field(default=(Endpoint.CREATE,), alias="doors")


class Cut(SimulatedFault):
    """Close the connection after `at` percent of a response, or of a stream's first chunk."""

    kind: Literal["cut"]
    at: int = Field(default=50, ge=0, le=99)
    endpoints: tuple[Endpoint, ...] = Field(default=(Endpoint.CONTENT,), alias="doors")


class Mislabel(SimulatedFault):
    """Send responses with another media type than that of their body."""

    kind: Literal["mislabel"]
    media_type: str = "text/plain"
    endpoints: tuple[Endpoint, ...] = Field(default=(Endpoint.CONTENT,), alias="doors")


class Stall(SimulatedFault):
    """Accept jobs that stay in progress forever, at `at` percent."""

    kind: Literal["stall"]
    at: int = Field(default=40, ge=0, le=99)


class StreamFailureForm(StrEnum):
    """How a chat stream with status 200 reports that its job failed."""

    TEXT = "text"  # content that begins with ❌
    ERROR = "error"  # an error event, then [DONE]
    CLOSE = "close"  # the stream ends without a result


class Fail(SimulatedFault):
    """Accept jobs that fail `after` seconds later; `code` is used where the protocol has one."""

    kind: Literal["fail"]
    after: float = Field(default=2.0, ge=0)
    code: str = "video_generation_failed"
    message: str = "Video generation failed."
    form: StreamFailureForm = StreamFailureForm.ERROR


class DeliverDefective(SimulatedFault):
    """Complete jobs with a defective video; wrong size and length are by default the half."""

    kind: Literal["deliver_defective"]
    defect: VideoDefect
    size: str | None = Field(default=None, pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$")
    seconds: int | None = Field(default=None, ge=1, le=60)
    model: str = "some-other-model"


class Expire(SimulatedFault):
    """Results are gone from `after` seconds after the end of the job."""

    kind: Literal["expire"]
    after: float = Field(default=0.0, ge=0)
    endpoints: tuple[Endpoint, ...] = Field(default=(Endpoint.CONTENT,), alias="doors")


class ResultLate(SimulatedFault):
    """Results are not there yet until `after` seconds after the end of the job."""

    kind: Literal["result_late"]
    after: float = Field(default=5.0, gt=0)
    endpoints: tuple[Endpoint, ...] = Field(default=(Endpoint.CONTENT,), alias="doors")


class LargeFile(SimulatedFault):
    """Downloads are padded to `bytes`, with a box that players skip."""

    kind: Literal["large_file"]
    size: int = Field(default=200_000_000, ge=1, le=4_000_000_000, alias="bytes")


class Slow(SimulatedFault):
    """Jobs take `factor` times as long."""

    kind: Literal["slow"]
    factor: float = Field(default=5.0, ge=1)


class Retire(SimulatedFault):
    """The model is retired: creates are refused as unknown, and the list of models omits it.

    Args:
        message: Text of the refusal; "" for the dialect's text for an unknown model.
        with_api: The whole API is retired: every path is unknown.
    """

    kind: Literal["retire"]
    message: str = ""
    with_api: bool = False


class IncompleteList(SimulatedFault):
    """The list of jobs omits the newest job, or all of them."""

    kind: Literal["incomplete_list"]
    omits: Literal["newest", "all"] = "newest"


class FalseReport(SimulatedFault):
    """The service works, but its status page reports a problem."""

    kind: Literal["false_report"]
    status: ReportedStatus = ReportedStatus.MAJOR_OUTAGE


AnyFault = Annotated[
    Refuse
    | Hang
    | Reset
    | AnswerLate
    | Cut
    | Mislabel
    | Stall
    | Fail
    | DeliverDefective
    | Expire
    | ResultLate
    | LargeFile
    | Slow
    | Retire
    | IncompleteList
    | FalseReport,
    Field(discriminator="kind"),
]

FAULT_ADAPTER: TypeAdapter[AnyFault] = TypeAdapter(AnyFault)


def affects(fault: AnyFault, endpoint: Endpoint) -> bool:
    """Tell whether a fault can affect an operation."""
    match fault:
        case (
            Refuse()
            | Hang()
            | Reset()
            | AnswerLate()
            | Cut()
            | Mislabel()
            | Expire()
            | ResultLate()
        ):
            return endpoint in fault.endpoints
        case Stall() | Fail() | DeliverDefective() | Slow() | Retire():
            return endpoint is Endpoint.CREATE
        case LargeFile():
            return endpoint is Endpoint.CONTENT
        case IncompleteList():
            return endpoint is Endpoint.LIST
        case FalseReport():
            return False


def reported_status(fault: AnyFault) -> ReportedStatus:
    """Return the component status that a status page reports for a fault."""
    return fault.feed if fault.feed is not None else _default_reported_status(fault)


def _default_reported_status(fault: AnyFault) -> ReportedStatus:
    match fault:
        case FalseReport():
            return fault.status
        case Refuse(state=NamedState.MAINTENANCE):
            return ReportedStatus.UNDER_MAINTENANCE
        case Refuse() | Fail() | Hang() | Reset() | Stall():
            is_total = fault.share == 1 and isinstance(fault, Refuse | Fail)
            return ReportedStatus.MAJOR_OUTAGE if is_total else ReportedStatus.PARTIAL_OUTAGE
        case Slow() | AnswerLate():
            return ReportedStatus.DEGRADED_PERFORMANCE
        case (
            DeliverDefective()
            | Expire()
            | ResultLate()
            | LargeFile()
            | Retire()
            | IncompleteList()
            | Cut()
            | Mislabel()
        ):
            # Status pages do not report on single models, nor retirements.
            return ReportedStatus.OPERATIONAL
