"""What an operator may say of webhooks: who is told when a video has ended."""

import base64
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from tallylight.documents.addresses import is_loopback, is_private, split_http_url
from tallylight.documents.secret import Secret, SecretText
from tallylight.documents.section import Name, Section

_SIGNING_PREFIX = "whsec_"
_MIN_SECRET_BYTES, _MAX_SECRET_BYTES = (
    24,
    64,
)  # bytes; as the Standard Webhooks specification asks for


class WebhookEvent(StrEnum):
    """What can be told of a video."""

    COMPLETED = "video.completed"
    FAILED = "video.failed"


def _checked_url(value: Secret) -> Secret:
    url = value.reveal()
    parts = split_http_url(url)
    if parts.username or parts.password or parts.fragment:
        raise ValueError("may hold no user, password or #")
    if parts.scheme == "http" and not is_loopback(url) and not is_private(url):
        raise ValueError("would be called unencrypted; use https")
    return value


def _checked_secret(value: Secret) -> Secret:
    coded = value.reveal().removeprefix(_SIGNING_PREFIX)
    try:
        # The padding at the end may be left out.
        raw = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    except ValueError:
        raw = b""
    if not _MIN_SECRET_BYTES <= len(raw) <= _MAX_SECRET_BYTES:
        raise ValueError(
            f"is no signing secret: {_SIGNING_PREFIX} and {_MIN_SECRET_BYTES} to {_MAX_SECRET_BYTES} random bytes "
            "in base64; make one with `openssl rand -base64 32`"
        )
    return value


class WebhookOptions(Section):
    """An endpoint that is told of videos."""

    url: Annotated[SecretText, AfterValidator(_checked_url)] = Field(
        description="Where it is called, https://host/path. It may hold a token, so it is shown "
        "nowhere."
    )
    secret: Annotated[SecretText, AfterValidator(_checked_secret)] = Field(
        description="What signs the calls: whsec_ and 24 to 64 random bytes in base64."
    )
    events: frozenset[WebhookEvent] = Field(
        frozenset(WebhookEvent),
        min_length=1,
        description="What it is told: video.completed, video.failed.",
    )


WebhookEndpoints = dict[Name, WebhookOptions]
