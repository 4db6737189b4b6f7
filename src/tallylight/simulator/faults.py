"""The kinds of trouble that a service of the simulated world can fall into."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, TypeAdapter, model_validator

from tallylight.simulator.section import Section


class Door(StrEnum):
    """The operations that trouble can stand at."""

    CREATE = "create"
    POLL = "poll"
    CONTENT = "content"
    LIST = "list"
    DELETE = "delete"
    MODELS = "models"


class Sign(StrEnum):
    """A state that a refusal names; each protocol has its own words and form for it."""

    RISK_CONTROL = "risk_control"
    SUSPENDED = "suspended"
    MAINTENANCE = "maintenance"
    OVERLOADED = "overloaded"
    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    AUTH = "auth"
    CONTENT_REJECTED = "content_rejected"


class Flaw(StrEnum):
    """What is wrong with a video that arrives."""

    BROKEN = "broken"  # cut off: no player opens it
    EMPTY = "empty"
    BLACK = "black"
    FROZEN = "frozen"
    SILENT = "silent"  # no audio track
    WRONG_SIZE = "wrong_size"
    WRONG_LENGTH = "wrong_length"
    OTHER_MODEL = "other_model"


class ComponentWord(StrEnum):
    """What a status page says of a component."""

    OPERATIONAL = "operational"
    DEGRADED_PERFORMANCE = "degraded_performance"
    PARTIAL_OUTAGE = "partial_outage"
    MAJOR_OUTAGE = "major_outage"
    UNDER_MAINTENANCE = "under_maintenance"


class Trouble(Section):
    """What all kinds of trouble have in common.

    Args:
        share: The share of requests, or of accepted jobs, that it strikes. Troubles of one
            moment share one pie: two of share 0.5 strike half of the requests each.
        feed: What the provider's status page says of it, `operational` for silence; None leaves
            the kind's own word.
    """

    share: float = Field(default=1.0, gt=0, le=1)
    feed: ComponentWord | None = None


class Refuse(Trouble):
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
    sign: Sign | None = None
    doors: tuple[Door, ...] = (Door.CREATE,)
    unlisted: bool = False
    accepts: bool = False

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.http_status is None) == (self.sign is None):
            raise ValueError("a refusal needs either http_status (with body, headers) or sign")
        return self


class Hang(Trouble):
    """Never answer.

    Args:
        accepts: A create is accepted and billed all the same: the caller is in doubt.
        doors: Which operations hang.
    """

    kind: Literal["hang"]
    accepts: bool = True
    doors: tuple[Door, ...] = (Door.CREATE,)


class Reset(Trouble):
    """Read the request and reset the connection; `accepts` as in `hang`."""

    kind: Literal["reset"]
    accepts: bool = False
    doors: tuple[Door, ...] = (Door.CREATE,)


class Stall(Trouble):
    """Accept jobs and leave them in progress for ever, at a progress of `at` percent."""

    kind: Literal["stall"]
    at: int = Field(default=40, ge=0, le=99)


class FailureForm(StrEnum):
    """How a chat stream reports that its job failed; all of it inside HTTP 200."""

    TEXT = "text"  # content that begins with a cross
    ERROR = "error"  # an error event, then [DONE]
    CLOSE = "close"  # the stream just ends


class Fail(Trouble):
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
    form: FailureForm = FailureForm.ERROR


class Deliver(Trouble):
    """Complete jobs with a video that is not the one asked for.

    Args:
        flaw: What is wrong with it.
        size: The size of a `wrong_size` video; half of the one asked for if not given.
        seconds: The length of a `wrong_length` video; half if not given.
        model: The model that `other_model` names.
    """

    kind: Literal["deliver"]
    flaw: Flaw
    size: str | None = Field(default=None, pattern=r"^[1-9]\d{1,3}x[1-9]\d{1,3}$")
    seconds: int | None = Field(default=None, ge=1, le=60)
    model: str = "some-other-model"


class Expire(Trouble):
    """Downloads find nothing once a job has been finished for `after` seconds."""

    kind: Literal["expire"]
    after: float = Field(default=0.0, ge=0)


class Bulk(Trouble):
    """Downloads are padded to so many bytes, by what players skip."""

    kind: Literal["bulk"]
    size: int = Field(default=200_000_000, ge=1, le=4_000_000_000, alias="bytes")


class Slow(Trouble):
    """Jobs take `factor` times as long."""

    kind: Literal["slow"]
    factor: float = Field(default=5.0, ge=1)


class Retire(Trouble):
    """The model is gone: creates are refused as unknown, and no list names it.

    Args:
        message: The words of the refusal; the protocol's own for an unknown model if empty.
        with_api: The whole API goes with it: every path answers as one that does not exist.
    """

    kind: Literal["retire"]
    message: str = ""
    with_api: bool = False


class ListLie(Trouble):
    """The list of jobs leaves out the job that was accepted last, or all of them."""

    kind: Literal["list_lie"]
    hides: Literal["newest", "all"] = "newest"


class Rumour(Trouble):
    """The service is well, and its status page says otherwise."""

    kind: Literal["rumour"]
    says: ComponentWord = ComponentWord.MAJOR_OUTAGE


AnyTrouble = Annotated[
    Refuse
    | Hang
    | Reset
    | Stall
    | Fail
    | Deliver
    | Expire
    | Bulk
    | Slow
    | Retire
    | ListLie
    | Rumour,
    Field(discriminator="kind"),
]

TROUBLE: TypeAdapter[AnyTrouble] = TypeAdapter(AnyTrouble)


def stands_at(trouble: AnyTrouble, door: Door) -> bool:
    """Tell whether a trouble concerns an operation."""
    match trouble:
        case Refuse() | Hang() | Reset():
            return door in trouble.doors
        case Stall() | Fail() | Deliver() | Slow() | Retire():
            return door is Door.CREATE
        case Expire() | Bulk():
            return door is Door.CONTENT
        case ListLie():
            return door is Door.LIST
        case Rumour():
            return False


def word_on_feed(trouble: AnyTrouble) -> ComponentWord:
    """Return what a status page that notices a trouble says of it."""
    return trouble.feed if trouble.feed is not None else _usual_word(trouble)


def _usual_word(trouble: AnyTrouble) -> ComponentWord:
    match trouble:
        case Rumour():
            return trouble.says
        case Refuse(sign=Sign.MAINTENANCE):
            return ComponentWord.UNDER_MAINTENANCE
        case Refuse() | Fail() | Hang() | Reset() | Stall():
            is_total = trouble.share == 1 and isinstance(trouble, Refuse | Fail)
            return ComponentWord.MAJOR_OUTAGE if is_total else ComponentWord.PARTIAL_OUTAGE
        case Slow():
            return ComponentWord.DEGRADED_PERFORMANCE
        case Deliver() | Expire() | Bulk() | Retire() | ListLie():
            # Pages are blank about single models, and retirement never shows up on them.
            return ComponentWord.OPERATIONAL
