"""Addresses and secrets of signed webhooks in configuration files."""

import base64
from typing import Annotated

from pydantic import AfterValidator

from tallylight.documents.addresses import is_loopback, is_private, split_http_url
from tallylight.documents.secret import Secret, SecretText

_SIGNING_PREFIX = "whsec_"
_MIN_SECRET_BYTES, _MAX_SECRET_BYTES = 24, 64  # of the Standard Webhooks specification


def checked_webhook_url(value: Secret) -> Secret:
    """Return the address of an endpoint; refuse one that would be called unencrypted."""
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


WebhookUrl = Annotated[SecretText, AfterValidator(checked_webhook_url)]
"""The address of an endpoint, which may hold a token."""

WebhookSecret = Annotated[SecretText, AfterValidator(_checked_secret)]
"""A secret that signs webhooks: whsec_ and 24 to 64 random bytes in base64."""
