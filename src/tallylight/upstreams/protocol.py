"""The port to video APIs: what the adapter of a protocol offers.

One exchange is paid, the create, and only that one is plain data: a request, and whether its answer
names a job. All others are free, may be repeated and may take several requests, so they are flows.

An adapter is pure: no socket, no clock, no chance, no key. It never says that a create was refused
or is in doubt: `acceptance` draws that line for all of them.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from tallylight.catalogue.services import NO_OPTIONS
from tallylight.catalogue.wording import Wording
from tallylight.documents.section import Section
from tallylight.model.evidence import Failure
from tallylight.model.jobs import JobRef
from tallylight.model.order import Form, Input, Medium, Operation, Order, Role
from tallylight.upstreams.auth import BEARER, Auth
from tallylight.upstreams.error_table import Errors
from tallylight.upstreams.messages import Reply, Request
from tallylight.upstreams.steps import Accepted, CheckOutcome, Done, Page, Step, Working

_T = TypeVar("_T")
_OptionsT = TypeVar("_OptionsT", bound=Section)

Flow = Generator[Request, Reply, _T]
"""Yields requests, receives the complete answers with a status that they read, returns a value."""

ONLY_CREATE = frozenset({Operation.CREATE})
FIRST_FRAME = (Role.FIRST_FRAME, Medium.IMAGE)
FILM = (Role.SOURCE, Medium.VIDEO)
ONLY_BYTES = frozenset({Form.INLINE})


class Mark(StrEnum):
    """The best sign by which the job of a create in doubt is known again in a list."""

    TOKEN = "token"  # noqa: S105  # our own mark comes back: certain
    REQUEST = "request"  # prompt, model and measures come back: certain unless two are alike
    PLACE = "place"  # a folder of our own: what lies there proves a job, and its absence nothing
    TIME = "time"  # model, length and time alone: a job may be ruled out, and is never claimed
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Features:
    """What a dialect supports.

    Args:
        operations: The supported operations; `CREATE` is always one of them.
        inputs: The inputs that it takes, with the forms in which it takes them.
        wordings: How orders are spelled, by patterns of model ids; "*" stands for all others.
        create_timeout: How long the answer to a create may take; None for the usual time.
        mark: How a job in doubt is known again.
        draws_seed: An order without a seed is sent with one that is drawn from our mark.
        checks_model: The free check knows whether the model is still offered.
        check_may_bill: The free check would be paid at a server of another dialect.
        tells_queue: A poll tells a queued job from one that runs.
        derives_from_jobs: A remix, an edit or an extension may name the job whose film it works
            on; else it takes the film alone.
    """

    operations: frozenset[Operation] = ONLY_CREATE
    inputs: Mapping[tuple[Role, Medium], frozenset[Form]] = field(default_factory=dict)
    wordings: Mapping[str, Wording] = field(default_factory=dict)
    create_timeout: timedelta | None = None
    mark: Mark = Mark.NONE
    draws_seed: bool = False
    checks_model: bool = True
    check_may_bill: bool = False
    tells_queue: bool = True
    derives_from_jobs: bool = True


class StreamReader(Protocol):
    """Reads the answer to a create that streams until the job ends."""

    @property
    def job(self) -> JobRef:
        """Return how the job is known, as far as the answer has told it."""
        ...

    @property
    def has_progress(self) -> bool:
        """Tell whether the answer has shown work on the job, also in the chunk that ended it."""
        ...

    def feed(self, chunk: str) -> Working | Done | Failure | None:
        """Read the next chunk; return the state of the job, or why there is none, if it changed."""
        ...

    def end(self, error: str) -> Done | Failure:
        """Return how the job ended, at the end of the stream.

        Args:
            error: The class and text of the exception that ended the stream, "" for a clean end.
        """
        ...


@dataclass(frozen=True, slots=True)
class Doubt:
    """A create that may have been accepted.

    Args:
        order: What was ordered.
        mark: The mark that was sent with it.
        since: No job of it was created before; None if that is not known.
    """

    order: Order
    mark: str
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """What one dialect of a protocol does at one upstream. What it cannot do is None.

    Args:
        features: What it supports.
        errors: How its failures are known.
        reach: Returns a free request without the key; any answer proves that the API responds.
        check: Asks for free whether the key and a model are accepted; returns None if they are, or
            what was told besides, else why not. `Accepted` says that the question started a job
            after all.
        submit: Returns the paid request for an order and our mark; raises LookupError if the
            dialect cannot express the order.
        accepted: Returns the job that the answer to a create names, None if it names none.
        poll: Asks for a job; None if no job outlives the answer to its create.
        reader: Makes a reader if the answer to a create streams; it masks the given texts.
        find: Returns a page of the list in which the job of a doubt would be, newest first; the
            text is the cursor, "" for the first page.
        cancel: Stops a running job, and returns its state afterwards. Only a `Failed` with a usage
            of 0 proves that nothing is billed. It never harms a finished job.
        delete: Deletes a finished job; tells whether it is gone.
        upload: Hands an input over before a create that names it, for free; returns it with what
            the upstream calls it, or why it was refused. None if creates take inputs themselves.
        create_character: Creates a character with a name from a video; returns its id.
    """

    features: Features
    errors: Errors
    reach: Callable[[str], Request]
    check: Callable[[str], Flow[CheckOutcome]]
    submit: Callable[[Order, str], Request]
    accepted: Callable[[Order, Reply], Accepted | None]
    poll: Callable[[JobRef], Flow[Step]] | None = None
    reader: Callable[[tuple[str, ...]], StreamReader] | None = None
    find: Callable[[Doubt, str], Flow[Page | Failure]] | None = None
    cancel: Callable[[JobRef], Flow[Step]] | None = None
    delete: Callable[[JobRef], Flow[bool]] | None = None
    upload: Callable[[Input], Flow[Input | Failure]] | None = None
    create_character: Callable[[str, Input], Flow[str | Failure]] | None = None


def require_expressible(order: Order, adapter: Adapter) -> None:
    """Raise LookupError if a dialect cannot express an order, so that nothing is left out of it.

    Routing knows this before; an order that gets here nevertheless is not sent.
    """
    features = adapter.features
    if order.operation not in features.operations:
        raise LookupError(f"this dialect does not support {order.operation}")
    if order.source and order.operation is Operation.CREATE:
        raise LookupError("a create takes no source")
    if order.source and not features.derives_from_jobs:
        raise LookupError(f"this dialect takes the film for {order.operation}, not its job")
    if order.characters and adapter.create_character is None:
        raise LookupError("this dialect has no characters")
    for each in order.inputs:
        if each.form not in features.inputs.get((each.role, each.medium), ()):
            raise LookupError(f"this dialect takes no {each.role} as {each.form}")


@dataclass(frozen=True, slots=True)
class Site:
    """Where an adapter works.

    Args:
        base_url: The upstream's base URL, without a slash at its end.
        dialect: The dialect that it speaks.
        options: What its section says besides, in the model of the protocol's definition.
        wordings: The wordings of models that have one of their own there (`wire`).
    """

    base_url: str
    dialect: str
    options: Section = NO_OPTIONS
    wordings: Mapping[str, Wording] = field(default_factory=dict, hash=False)

    def options_as(self, model: type[_OptionsT]) -> _OptionsT:
        """Return the options as the model of the protocol; its defaults if none are set."""
        return self.options if isinstance(self.options, model) else model()


def _bearer(_: Site) -> Auth:
    return BEARER


def _no_origins(_: Site) -> tuple[str, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Definition:
    """A protocol: the one value that its file offers to the registry.

    Args:
        name: Its name in the configuration.
        dialects: Its dialects; the first is the default, which is safe for any upstream.
        make: Returns the adapter at a site.
        auth: Returns how requests from a site are signed.
        options: The model of the options that an upstream may set.
        origins: Returns URLs at further origins that are a site's own: what it signs, it signs
            there, too, and they may lie in the operator's networks.
    """

    name: str
    dialects: tuple[str, ...]
    make: Callable[[Site], Adapter]
    auth: Callable[[Site], Auth] = _bearer
    options: type[Section] = Section
    origins: Callable[[Site], tuple[str, ...]] = _no_origins
