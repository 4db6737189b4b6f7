"""Which redirects are followed."""

from collections.abc import Mapping

from aiohttp import InvalidURL
from yarl import URL

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
    try:
        target = url.join(URL(location))
    except ValueError:
        raise RedirectError(location, "not a URL") from None
    if target.scheme not in {"http", "https"} or not target.host:
        raise RedirectError(location, "not an HTTP URL")
    return target
