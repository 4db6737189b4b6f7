"""Which redirects are followed."""

from collections.abc import Mapping

from aiohttp import InvalidURL
from yarl import URL

from tallylight.upstreams.addresses import request_url, resolved_address

MAX_REDIRECTS = 5
"""The number of consecutive redirects that are followed."""

_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})


class RedirectError(InvalidURL):
    """A redirect leads to an unusable URL, or there are too many of them."""


def next_url(method: str, url: URL, status: int, headers: Mapping[str, str]) -> URL | None:
    """Return the target of a redirect, None if the answer is final.

    Only a GET is followed: a redirected create made no job, and to repeat it elsewhere could make
    one.

    Raises:
        RedirectError: if the target is not an HTTP URL.
    """
    location = headers.get("Location", "")
    if method != "GET" or status not in _REDIRECT_STATUSES or not location:
        return None
    target = resolved_address(location, str(url))
    if not target:
        raise RedirectError(location, "not an HTTP URL")
    try:
        return request_url(target)
    except ValueError:
        raise RedirectError(location, "not a URL") from None
