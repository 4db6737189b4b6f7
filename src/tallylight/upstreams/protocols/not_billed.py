"""Recognizes error answers that a dialect gives only if nothing is billed.

They settle creates that are in doubt by their HTTP status alone. The table and its sources:
`docs/protocols.md`, "Accepted, refused, in doubt".
"""

from collections.abc import Mapping
from http import HTTPStatus

from tallylight.upstreams.event_stream import unframed
from tallylight.upstreams.json_access import object_at, text_at, unwrapped_object
from tallylight.upstreams.messages import Reply


def new_api_proves_not_billed(reply: Reply) -> bool:
    """Tell whether the relay itself reports the error: it has then refunded the caller.

    The order may still run at the relay's own upstream, but the relay pays for it.
    """
    body = _error_body(reply)
    if text_at(object_at(body, "error"), "type") == "new_api_error":
        return True
    is_task_error = isinstance(body.get("code"), str) and isinstance(body.get("message"), str)
    return is_task_error and body.get("code") != "success" and body.get("data", "") is None


def sora2api_proves_not_billed(reply: Reply) -> bool:
    """Tell whether the request failed before its stream, and with it the job, began."""
    body = _error_body(reply)
    is_500 = reply.status == HTTPStatus.INTERNAL_SERVER_ERROR
    return is_500 and text_at(object_at(body, "error"), "type") == "server_error"


def _error_body(reply: Reply) -> Mapping[str, object]:
    is_whole = not reply.error and not reply.truncated
    is_error = reply.status is not None and reply.status >= HTTPStatus.BAD_REQUEST
    return unwrapped_object(unframed(reply.body)) if is_whole and is_error else {}
