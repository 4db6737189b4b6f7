"""Where a redirect may lead, and whether the key may come along."""

from collections.abc import Mapping

from aiohttp import InvalidURL
from yarl import URL

MAX_REDIRECTS = 5
"""How many redirects in a row are followed."""

_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})


class RedirectError(InvalidURL):
    """A redirect leads to no address that can be asked."""


def next_url(method: str, url: URL, status: int, headers: Mapping[str, str]) -> URL | None:
    """Return where an answer sends us on to, None if it is final.

    Only a GET is followed: whoever redirects a create has not made a job, and posting it again at
    another place could.

    Raises:
        RedirectError: if the address named is none of HTTP.
    """
    location = headers.get("Location", "")
    if method != "GET" or status not in _REDIRECT_STATUSES or not location:
        return None
    try:
        target = url.join(URL(location))
    except ValueError:
        raise RedirectError(location, "no address") from None
    if target.scheme not in {"http", "https"} or not target.host:
        raise RedirectError(location, "no address of HTTP")
    return target


def may_send_key(first: URL, target: URL) -> bool:
    """Tell whether a key meant for one address may be sent to another: never to another host.

    The same host may be left for its own TLS port, the usual redirect from http to https.
    """
    if target.origin() == first.origin():
        return True
    usual_ports = first.is_default_port() and target.is_default_port()
    upgraded = (first.scheme, target.scheme) == ("http", "https")
    return target.host == first.host and upgraded and usual_ports
