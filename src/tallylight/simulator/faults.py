"""The kinds of trouble that a service of the simulated world can fall into."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, TypeAdapter, model_validator

from tallylight.simulator.section import ScenarioSection


class Endpoint(StrEnum):
    """The operations that trouble can stand at."""

    CREATE = "create"
    POLL = "poll"
    CONTENT = "content"
    LIST = "list"
    DELETE = "delete"
    MODELS = "models"


class NamedState(StrEnum):
    """A state that a refusal names; each protocol has its own words and form for it."""

    RISK_CONTROL = "risk_control"
    SUSPENDED = "suspended"
    MAINTENANCE = "maintenance"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    AUTH = "auth"
    CONTENT_REJECTED = "content_rejected"


class VideoDefect(StrEnum):
    """What is wrong with a video that arrives."""

    BROKEN = "broken"  # cut off: no player opens it
    EMPTY = "empty"
    BLACK = "black"
    FROZEN = "frozen"
    SILENT = "silent"  # no audio track
    WRONG_SIZE = "wrong_size"
    WRONG_LENGTH = "wrong_length"
    OTHER_MODEL = "other_model"


class ReportedStatus(StrEnum):
    """What a status page says of a component."""

    OPERATIONAL = "operational"
    DEGRADED_PERFORMANCE = "degraded_performance"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"
    UNDER_MAINTENANCE = "under_maintenance"


class SimulatedFault(ScenarioSection):
    """What all kinds of trouble have in common.

    Args:
        share: The share of requests, or of accepted jobs, that it strikes. Troubles of one
            moment share one pie: two of share 0.5 strike half of the requests each.
        feed: What the provider's status page says of it, `operational` for silence; None leaves
            the kind's own word.
    """

    share: float = Field(default=1.0, gt=0, le=1)
    feed: ReportedStatus | None = None


class Refuse(SimulatedFault):
    """Refuse with an answer: the given one, or the protocol's own words for a sign.

    Args:
        http_status: The status of the answer; 200 for a failure that hides in one.
        body: A mapping is sent as JSON, a text as it is.
        headers: Headers beside it.
        sign: What the refusal names, in the protocol's own form.
        doors: Which operations are refused.
        unlisted: The model is missing from the list of models meanwhile.
        accepts: A create of the Videos API is accepted and billed all the same, as by a server
            that fails on its way to the answer.
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
    """Never answer.

    Args:
        accepts: A create is accepted and billed all the same: the caller is in doubt.
        doors: Which operations hang.
    """

    kind: Literal["hang"]
    accepts: bool = True
    endpoints: tuple[Endpoint, ...] = Field(default=(Endpoint.CREATE,), alias="doors")


class Reset(SimulatedFault):
    """Read the request and reset the connection; `accepts` as in `hang`."""

    kind: Literal["reset"]
    accepts: bool = False
    endpoints: tuple[Endpoint, ...] = Field(default=(Endpoint.CREATE,), alias="doors")


class Stall(SimulatedFault):
    """Accept jobs and leave them in progress for ever, at a progress of `at` percent."""

    kind: Literal["stall"]
    at: int = Field(default=40, ge=0, le=99)


class StreamFailureForm(StrEnum):
    """How a chat stream reports that its job failed; all of it inside HTTP 200."""

    TEXT = "text"  # content that begins with a cross
    ERROR = "error"  # an error event, then [DONE]
    CLOSE = "close"  # the stream just ends


class Fail(SimulatedFault):
    """Accept jobs and fail them.

    Args:
        after: Seconds until the failure.
        code: The error's code where the protocol has one.
        message: The error's text.
        form: How a chat stream says it.
    """

    kind: Literal["fail"]
    after: float = Field(default=2.0, ge=0)
    code: str = "video_generation_failed"
    message: str = "Video generation failed."
    form: StreamFailureForm = StreamFailureForm.ERROR


class DeliverDefective(SimulatedFault):
    """Complete jobs with a video that is not the one asked for.

    Args:
        flaw: What is wrong with it.
        size: The size of a `wrong_size` video; half of the one asked for if not given.
        seconds: The length of a `wrong_length` video; half if not given.
        model: The model that `other_model` names.
    """

    kind: Literal["deliver_defective"]
    defect: VideoDefect
    size: str | None = Field(default=None, pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$")
    seconds: int | None = Field(default=None, ge=1, le=60)
    model: str = "some-other-model"


class Expire(SimulatedFault):
    """Downloads find nothing once a job has been finished for `after` seconds."""

    kind: Literal["expire"]
    after: float = Field(default=0.0, ge=0)


class LargeFile(SimulatedFault):
    """Downloads are padded to so many bytes, by what players skip."""

    kind: Literal["large_file"]
    size: int = Field(default=200_000_000, ge=1, le=4_000_000_000, alias="bytes")


class Slow(SimulatedFault):
    """Jobs take `factor` times as long."""

    kind: Literal["slow"]
    factor: float = Field(default=5.0, ge=1)


class Retire(SimulatedFault):
    """The model is gone: creates are refused as unknown, and no list names it.

    Args:
        message: The words of the refusal; the protocol's own for an unknown model if empty.
        with_api: The whole API goes with it: every path answers as one that does not exist.
    """

    kind: Literal["retire"]
    message: str = ""
    with_api: bool = False


class IncompleteList(SimulatedFault):
    """The list of jobs leaves out the job that was accepted last, or all of them."""

    kind: Literal["incomplete_list"]
    omits: Literal["newest", "all"] = "newest"


class FalseReport(SimulatedFault):
    """The service is well, and its status page says otherwise."""

    kind: Literal["false_report"]
    status: ReportedStatus = ReportedStatus.MAJOR_OUTAGE


AnyFault = Annotated[
    Refuse
    | Hang
    | Reset
    | Stall
    | Fail
    | DeliverDefective
    | Expire
    | LargeFile
    | Slow
    | Retire
    | IncompleteList
    | FalseReport,
    Field(discriminator="kind"),
]

FAULT_ADAPTER: TypeAdapter[AnyFault] = TypeAdapter(AnyFault)


def affects(fault: AnyFault, endpoint: Endpoint) -> bool:
    """Tell whether a trouble concerns an operation."""
    match fault:
        case Refuse() | Hang() | Reset():
            return endpoint in fault.endpoints
        case Stall() | Fail() | DeliverDefective() | Slow() | Retire():
            return endpoint is Endpoint.CREATE
        case Expire() | LargeFile():
            return endpoint is Endpoint.CONTENT
        case IncompleteList():
            return endpoint is Endpoint.LIST
        case FalseReport():
            return False


def reported_status(fault: AnyFault) -> ReportedStatus:
    """Return what a status page that notices a trouble says of it."""
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
        case Slow():
            return ReportedStatus.DEGRADED_PERFORMANCE
        case DeliverDefective() | Expire() | LargeFile() | Retire() | IncompleteList():
            # Pages are blank about single models, and retirement never shows up on them.
            return ReportedStatus.OPERATIONAL
