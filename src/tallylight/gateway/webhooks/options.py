"""Options of webhooks: the endpoints that are called when a video completes or fails."""

import base64
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from tallylight.documents.addresses import is_loopback, is_private, split_http_url
from tallylight.documents.secret import Secret, SecretText
from tallylight.documents.section import Name, Section

_SIGNING_PREFIX = "whsec_"
_MIN_SECRET_BYTES, _MAX_SECRET_BYTES = 24, 64  # of the Standard Webhooks specification


class WebhookEvent(StrEnum):
    """The events of a video that an endpoint can receive."""

    COMPLETED = "video.completed"
    FAILED = "video.failed"


def _checked_url(value: Secret) -> Secret:
    url = value.reveal()
    parts = split_http_url(url)
    if parts.username or parts.password or parts.fragment:
        raise ValueError("must not contain a user, a password or #")
    if parts.scheme == "http" and not is_loopback(url) and not is_private(url):
        raise ValueError("would be called unencrypted; use https")
    return value


def _checked_secret(value: Secret) -> Secret:
    coded = value.reveal().removeprefix(_SIGNING_PREFIX)
    try:
        # The padding at the end is optional.
        raw = base64.b64decode(coded + "=" * (-len(coded) % 4), validate=True)
    except ValueError:
        raw = b""
    if not _MIN_SECRET_BYTES <= len(raw) <= _MAX_SECRET_BYTES:
        raise ValueError(
            f"is not a signing secret: {_SIGNING_PREFIX} and {_MIN_SECRET_BYTES} to "
            f"{_MAX_SECRET_BYTES} random bytes in base64; create one with `openssl rand -base64 32`"
        )
    return value


class WebhookOptions(Section):
    """An endpoint that receives webhooks."""

    url: Annotated[SecretText, AfterValidator(_checked_url)] = Field(
        description="URL of the endpoint, https://host/path. It may contain a token, so it is "
        "never shown."
    )
    secret: Annotated[SecretText, AfterValidator(_checked_secret)] = Field(
        description="Secret that signs the webhooks: whsec_ and 24 to 64 random bytes in base64."
    )
    events: frozenset[WebhookEvent] = Field(
        frozenset(WebhookEvent),
        min_length=1,
        description="Events that it receives: video.completed, video.failed.",
    )


WebhookEndpoints = dict[Name, WebhookOptions]
