"""The secrets of a configuration, for those who mask them."""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from tallylight.config.settings import Configuration
from tallylight.documents.secret import Secret

_MIN_LENGTH = 8  # shorter ones would mask ordinary words
_URL_DELIMITERS = re.compile(r"[/?&=@:#]")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")


def configured_secrets(configuration: Configuration) -> frozenset[str]:
    """Return the keys, tokens and passwords of a configuration, of at least 8 characters."""
    password = urlsplit(configuration.database_url).password or ""
    known = {password, unquote(password), *(key.reveal() for key in _keys(configuration))}
    for url in _urls(configuration):
        parts = _URL_DELIMITERS.split(url.reveal())
        known |= {part for part in parts if not _HOST.fullmatch(part)}
    return frozenset(secret for secret in known if len(secret) >= _MIN_LENGTH)


def _keys(configuration: Configuration) -> Iterator[Secret]:
    for service in configuration.catalogue.services.values():
        if service.upstream.key is not None:
            yield service.upstream.key
    for endpoint in configuration.gateway.webhooks.values():
        yield endpoint.secret
    for receiver in configuration.alerts.receivers.values():
        if receiver.secret is not None:
            yield receiver.secret
    if configuration.assets.secret is not None:
        yield configuration.assets.secret


def _urls(configuration: Configuration) -> Iterator[Secret]:
    """Yield URLs, of which some parts are tokens."""
    for receiver in configuration.alerts.receivers.values():
        yield receiver.url
    for endpoint in configuration.gateway.webhooks.values():
        yield endpoint.url
