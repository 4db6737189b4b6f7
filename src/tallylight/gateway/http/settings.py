"""What the operator decided of the doors."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(slots=True)
class HttpSettings:
    """What the operator decided of the doors; its members change when the configuration does.

    Args:
        is_open: Whoever reaches the address needs no key; only where that is this machine.
        largest_body: The largest request, in bytes.
        poll_after: How soon a client is told to ask again at the earliest.
    """

    allows_anonymous: bool = False
    largest_body: int = 64 * 1024 * 1024
    poll_after: timedelta = timedelta(seconds=1)
