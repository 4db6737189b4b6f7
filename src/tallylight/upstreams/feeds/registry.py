"""The formats of status pages that can be read, by the name that the configuration gives them."""

from collections.abc import Mapping
from types import MappingProxyType

from tallylight.upstreams.feeds import betterstack, google, incident_io, instatus, statuspage
from tallylight.upstreams.feeds.reader import FeedReader

FEED_READERS: Mapping[str, FeedReader] = MappingProxyType(
    {
        "statuspage": statuspage.READER,
        "incident_io": incident_io.READER,
        "google": google.READER,
        "instatus": instatus.READER,
        "betterstack": betterstack.READER,
    }
)


def feed_reader(format_: str) -> FeedReader:
    """Return the reader of a format.

    Raises:
        KeyError: for a name that is not in `READERS`.
    """
    return FEED_READERS[format_]
