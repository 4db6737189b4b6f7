"""Settings of the HTTP API, derived from one configuration."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Settings that the HTTP API reads for each request.

    Args:
        allows_anonymous: Requests need no key; allowed on a loopback address only.
        largest_body: Maximum size of a request, in bytes.
        poll_after: Minimum time between two polls that clients are told to keep.
    """

    allows_anonymous: bool = False
    largest_body: int = 64 * 1024 * 1024
    poll_after: timedelta = timedelta(seconds=1)
