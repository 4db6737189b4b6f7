"""Which part of a content a client asks for (RFC 9110, section 14)."""

import re

from tallylight.gateway.api import ByteRange

_SINGLE_RANGE = re.compile(
    r"bytes\s*+=\s*+(?:(\d{1,18})\s*+-\s*+(\d{1,18})?|-\s*+(\d{1,18}))\s*+", re.IGNORECASE
)


def parse_range(range_: str, if_range: str, etag: str) -> ByteRange | None:
    """Return the one span that a Range header asks for; None where the whole is to be sent.

    A header that is not understood, or asks for several spans, is as good as none; so is one
    whose If-Range names something else than what is here.

    Args:
        range_: The Range header, "" for none.
        if_range: The If-Range header, "" for none.
        tag: What stands here, as its ETag says.
    """
    found = _SINGLE_RANGE.fullmatch(range_)
    if found is None or (if_range and if_range != etag):
        return None
    if found[3] is not None:
        return ByteRange(None, int(found[3]))
    first, last = int(found[1]), None if found[2] is None else int(found[2])
    return ByteRange(first, last) if last is None or last >= first else None
