"""The supported formats of status pages, by their name in the configuration."""

from collections.abc import Mapping
from types import MappingProxyType

from tallylight.upstreams.feeds import (
    betterstack,
    datadog,
    entries,
    google,
    incident_io,
    instatus,
    rootly,
    statuspage,
)
from tallylight.upstreams.feeds.reader import FeedReader

FEED_READERS: Mapping[str, FeedReader] = MappingProxyType(
    {
        "statuspage": statuspage.READER,
        "incident_io": incident_io.READER,
        "google": google.READER,
        "instatus": instatus.READER,
        "betterstack": betterstack.READER,
        "rootly": rootly.READER,
        "datadog": datadog.READER,
        "rss": entries.RSS_READER,
        "atom": entries.ATOM_READER,
    }
)
