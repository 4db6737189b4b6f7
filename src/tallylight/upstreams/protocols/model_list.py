"""Reads the list of models, which most upstreams return for free to a valid key."""

from tallylight.model.evidence import Failure, FailureKind
from tallylight.upstreams.classify import classify
from tallylight.upstreams.json_access import (
    json_text,
    parse_json,
    text_at,
    unwrapped_object,
)
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.protocols.failures import reply_failure, upstream_failure


def read_model_list(reply: Reply, dialect: str, model: str) -> Failure | None:
    """Return why the key or the model is refused; None if both are accepted.

    A list without the model is UNKNOWN: it may be retired, renamed, or sold to other keys. The
    first of several pages proves the key, and says nothing about the model.
    """
    if not reply.is_success or reply.error:
        return reply_failure(reply, dialect, "models:unreadable")
    if reply.truncated and reply.body.lstrip().startswith(("{", "[")):
        return None  # the list was cut; only a valid key gets one
    if (failure := classify(reply, dialect)) is not None:
        return failure
    names = _model_names(reply.body)
    if names is None:
        return reply_failure(reply, dialect, "models:unreadable")
    if _lists_model(names, model) or unwrapped_object(reply.body).get("has_more"):
        return None
    return upstream_failure(
        "models:not_listed",
        f"{model} is not one of the {len(names)} models that this key can use",
        kind=FailureKind.UNKNOWN,
        http_status=reply.status,
    )


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
