"""What xAI's APIs of videos and of pictures share: errors, money, and the check of a key.

An error comes in one of three envelopes, and its code may be a whole sentence; so the words count.
"""

from collections.abc import Iterator
from decimal import Decimal

from tallylight.model.evidence import FailureKind
from tallylight.model.jobs import Usage
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, get
from tallylight.upstreams.protocol import Flow
from tallylight.upstreams.protocols.model_list import check_models
from tallylight.upstreams.steps import CheckOutcome

_TICKS_PER_USD = Decimal(10) ** 10
_BLOCKS = ("api_key_blocked", "api_key_disabled", "team_blocked")


def _codes(answer: JsonView) -> Iterator[str]:
    yield answer.text("error.code")
    yield answer.text("code")


XAI_ERRORS = Errors(
    codes=_codes,
    rows=(
        # Also under 400.
        Row(FailureKind.AUTH, words=("incorrect api key",)),
        Row(FailureKind.QUOTA, words=("used all available credits", "monthly spending limit")),
        Row(FailureKind.CONTENT_REJECTED, words=("usage guidelines", "safety_check")),
        Row(FailureKind.CONTENT_REJECTED, ("moderated",)),
        # Its code says the same of every 503.
        Row(
            FailureKind.MAINTENANCE,
            words=("scheduled maintenance", "under maintenance"),
            is_named=True,
        ),
        Row(FailureKind.SUSPENDED, words=("temporarily paused",), is_named=True),
        Row(FailureKind.AUTH, ("key_blocked",)),
        Row(FailureKind.DEGRADED, ("expired", "no_output")),
    ),
)


def xai_usage(answer: JsonView) -> Usage | None:
    """Return what an answer says that a job took, None if it does not."""
    ticks = answer.integer("usage.cost_in_usd_ticks")
    return None if ticks is None or ticks < 0 else Usage(ticks / _TICKS_PER_USD)


def was_held_back(made: JsonView) -> bool:
    """Tell whether moderation keeps a result that was made; the job counts as done."""
    return made.at("respect_moderation").value is False


def check_xai(model: str) -> Flow[CheckOutcome]:
    """Ask for the key, which may be blocked, then for the models that it may use."""
    reply = yield get(Phase.PROBE, "/api-key")
    key = reply.json
    if not key.is_object:
        return XAI_ERRORS.failure(reply, "key:unreadable")
    if any(key.at(name).value is True for name in _BLOCKS):
        return XAI_ERRORS.named("key_blocked", "the key or its team is blocked")
    return (yield from check_models(XAI_ERRORS, model))
