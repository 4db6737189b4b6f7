"""The free question of most upstreams: which models does this key reach?"""

from tallylight.model.evidence import Failure, FailureKind
from tallylight.upstreams.classify import classify
from tallylight.upstreams.json_access import items_of, json_of, mapping_of, object_of, text_of
from tallylight.upstreams.messages import Reply
from tallylight.upstreams.protocols.failures import failure_in, upstream_failure

_SUCCESS = range(200, 300)


def read_model_list(reply: Reply, dialect: str, model: str) -> Failure | None:
    """Return why a model list speaks against the key or the model; None if it does not.

    A list without the model is UNKNOWN: it may be retired, renamed, or of another group of keys.
    The first of several pages proves the key and says nothing of the model.
    """
    if reply.status not in _SUCCESS or reply.error:
        return failure_in(reply, dialect, "models:unreadable")
    if reply.truncated and reply.body.lstrip().startswith(("{", "[")):
        return None  # a list too long to be read to its end; only a known key gets one
    if (failure := classify(reply, dialect)) is not None:
        return failure
    names = _names(reply.body)
    if names is None:
        return failure_in(reply, dialect, "models:unreadable")
    if _offers(names, model) or mapping_of(object_of(reply.body)).get("has_more"):
        return None
    return upstream_failure(
        "models:not_listed",
        f"{model} is not among the {len(names)} models that this key can use",
        kind=FailureKind.UNKNOWN,
        http_status=reply.status,
    )


def _names(body: str) -> frozenset[str] | None:
    # {"data": [{"id": …}]} is the common shape; {"models": […]}, a bare array and bare strings
    # are met at relays.
    value = json_of(body)
    listed = value
    if isinstance(value, dict):
        listed = value.get("data", value.get("models"))
    if not isinstance(listed, list):
        return None
    found = (
        text_of(entry) or text_of(mapping_of(entry).get("id") or mapping_of(entry).get("name"))
        for entry in items_of(listed)
    )
    return frozenset(name.lower() for name in found if name)


def _offers(names: frozenset[str], model: str) -> bool:
    wanted = model.lower()
    return wanted in names or any(name.endswith(f"/{wanted}") for name in names)
