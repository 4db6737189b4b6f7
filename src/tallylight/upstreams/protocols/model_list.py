"""Asks for the list of models, which most upstreams return for free to a valid key."""

from tallylight.documents.nearest import nearest_name
from tallylight.model.evidence import NOT_LISTED_RULE, Failure, FailureKind
from tallylight.upstreams.error_table import Errors
from tallylight.upstreams.failures import upstream_failure
from tallylight.upstreams.json_access import (
    json_text,
    json_timestamp,
    parse_json,
    text_at,
    unwrapped_object,
)
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply, Request, get
from tallylight.upstreams.protocol import Flow
from tallylight.upstreams.steps import Checked, CheckOutcome

_PATH = "/models"


def reach_models(_: str) -> Request:
    """Return the request for the list without the key."""
    return Request(Phase.REACH, "GET", _PATH, is_signed=False)


def check_models(errors: Errors, model: str) -> Flow[CheckOutcome]:
    """Ask for the list; return why the key or the model is refused, or what it tells of both."""
    reply = yield get(Phase.PROBE, _PATH)
    return read_model_list(reply, errors, model) or _told_of(reply, model)


def told_shutdown(entry: JsonView) -> Checked | None:
    """Return what OpenAI's object of a model tells: the day of its shutdown, if one is known."""
    moment = json_timestamp(entry.at("shutdown_date").value)
    return None if moment is None else Checked(moment.date())


def read_model_list(reply: Reply, errors: Errors, model: str) -> Failure | None:
    """Return why the key or the model is refused; None if both are accepted.

    A list without the model is UNKNOWN: it may be retired, renamed, or sold to other keys. The
    first of several pages proves the key, and says nothing about the model.
    """
    if reply.truncated and reply.body.lstrip().startswith(("{", "[")):
        return None  # the list was cut; only a valid key gets one
    if (failure := errors.of(reply)) is not None:
        return failure
    names = _model_names(reply.body)
    if names is None:
        return errors.failure(reply, "models:unreadable")
    if _lists_model(names, model) or unwrapped_object(reply.body).get("has_more"):
        return None
    return not_listed(model, reply.status, f"the {len(names)} models")


def not_listed(model: str, http_status: int | None, models: str = "the models") -> Failure:
    """Return the failure of a model that a valid key cannot use."""
    return upstream_failure(
        NOT_LISTED_RULE,
        f"{model} is not one of {models} that this key can use",
        kind=FailureKind.UNKNOWN,
        http_status=http_status,
    )


def nearest_model(body: str, model: str) -> str:
    """Return the model in a list that a misspelt name most likely means, "" if none is similar."""
    return nearest_name(model.lower(), sorted(_model_names(body) or ()))


def _told_of(reply: Reply, model: str) -> Checked | None:
    entries = (
        each for each in reply.json.items("data") if each.text("id").lower() == model.lower()
    )
    return next(filter(None, map(told_shutdown, entries)), None)


def _model_names(body: str) -> frozenset[str] | None:
    # {"data": [{"id": …}]} is the common form; relays also send {"models": […]}, a bare array and
    # bare strings.
    listed = parse_json(body)
    if isinstance(listed, dict):
        listed = listed.get("data", listed.get("models"))
    if not isinstance(listed, list):
        return None
    names = (json_text(entry) or text_at(entry, "id") or text_at(entry, "name") for entry in listed)
    return frozenset(name.lower() for name in names if name)


def _lists_model(names: frozenset[str], model: str) -> bool:
    name = model.lower()
    return name in names or any(each.endswith(f"/{name}") for each in names)
