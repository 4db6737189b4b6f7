"""From a request's fields to what is asked of the gateway, for each way to make a video."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus

from tallylight.gateway.http.fields import (
    LONGEST_PROMPT,
    characters_of,
    id_of,
    missing,
    needed_text_of,
    others,
    seconds_of,
    size_of,
    text_of,
)
from tallylight.gateway.http.fingerprints import fingerprint
from tallylight.gateway.http.forms import Tree
from tallylight.gateway.http.references import film_of, picture_of
from tallylight.gateway.http.uploads import Upload
from tallylight.gateway.requests import Ask, RefusalError
from tallylight.gateway.routing.presets import policy_of
from tallylight.model.ids import NO_KEY, KeyId, VideoId
from tallylight.model.order import Operation

_LONGEST_IDEMPOTENCY = 255
_COMMON = ("model", "prompt", "seconds", "size", "characters", "policy")
_PRINTABLE = range(0x20, 0x7F)


@dataclass(frozen=True, slots=True)
class Manner:
    """What is known of a request beside its body.

    Args:
        key: Who asks.
        policy: A preset or a preference, "" for the route's own.
        idempotency: The caller's key for this request, "" for none.
        is_repeat: The official SDK says that it sends this again by itself.
    """

    key: KeyId = NO_KEY
    policy: str = ""
    idempotency: str = ""
    is_repeat: bool = False


def manner_of(headers: Mapping[bytes, bytes], key: KeyId) -> Manner:
    """Read the headers of somebody's request.

    Raises:
        RefusalError: if the `Idempotency-Key` is none.
    """
    idempotency = headers.get(b"idempotency-key")
    if idempotency is not None and not _is_idempotency_key(idempotency):
        raise RefusalError(
            HTTPStatus.BAD_REQUEST,
            "Invalid header 'Idempotency-Key': expected 1 to "
            f"{_LONGEST_IDEMPOTENCY} printable ASCII characters.",
            code="invalid_idempotency_key",
            param="Idempotency-Key",
        )
    retries = headers.get(b"x-stainless-retry-count", b"0")
    return Manner(
        key=key,
        policy=headers.get(b"x-tallylight-policy", b"").decode("latin-1"),
        idempotency=(idempotency or b"").decode("ascii"),
        # No `int`, which raises on thousands of digits.
        is_repeat=retries.isdigit() and retries.strip(b"0") != b"",
    )


def _is_idempotency_key(value: bytes) -> bool:
    return 0 < len(value) <= _LONGEST_IDEMPOTENCY and all(byte in _PRINTABLE for byte in value)


def creation(fields: Tree, manner: Manner) -> Ask:
    """Return what a create asks for.

    Raises:
        RefusalError: if a field cannot be read; so do the others here.
    """
    known = (*_COMMON, "input_reference")
    picture = picture_of(fields.get("input_reference"))
    ask = replace(_common(fields, manner, known), reference=picture)
    return _signed(ask, manner)


def remix(fields: Tree, manner: Manner, source: VideoId) -> Ask:
    """Return what a remix of one of our videos asks for."""
    ask = replace(_common(fields, manner, _COMMON), operation=Operation.REMIX, source=source)
    return _signed(ask, manner)


def edit(fields: Tree, manner: Manner) -> Ask:
    """Return what an edit of one of our videos, or of a film that came along, asks for."""
    return _signed(replace(_of_film(fields, manner), operation=Operation.EDIT), manner)


def extension(fields: Tree, manner: Manner) -> Ask:
    """Return what an extension asks for; its seconds are those added."""
    ask = replace(_of_film(fields, manner), operation=Operation.EXTEND)
    if ask.seconds is None:
        raise missing("seconds")
    return _signed(ask, manner)


def _of_film(fields: Tree, manner: Manner) -> Ask:
    ask = _common(fields, manner, (*_COMMON, "video"))
    match fields.get("video"):
        case None | "":
            raise missing("video")
        case Upload() as film:
            return replace(ask, reference=film_of(film, "video"))
        case value:
            return replace(ask, source=VideoId(id_of(value, "video")))


def _common(fields: Tree, manner: Manner, known: tuple[str, ...]) -> Ask:
    return Ask(
        model=text_of(fields, "model"),
        prompt=needed_text_of(fields, "prompt", LONGEST_PROMPT),
        seconds=seconds_of(fields),
        size=size_of(fields),
        characters=characters_of(fields),
        extras=others(fields, known),
        # The body speaks of this one request, a header often of all that a client sends.
        policy=_policy(text_of(fields, "policy") or manner.policy),
        idempotency=manner.idempotency,
        is_repeat=manner.is_repeat,
    )


def _policy(name: str) -> str:
    try:
        return policy_of(name).value if name else ""
    except ValueError as error:
        raise RefusalError(
            HTTPStatus.BAD_REQUEST,
            f"Invalid 'policy': {error}.",
            code="invalid_value",
            param="policy",
        ) from None


def _signed(ask: Ask, manner: Manner) -> Ask:
    return replace(ask, fingerprint=fingerprint(ask, manner.key))
