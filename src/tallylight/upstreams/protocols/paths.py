"""Ids of upstreams as parts of paths."""

import re
from urllib.parse import quote

_DOT_SEGMENT = re.compile(r"(\A|%2F|%5C)(\.{1,2})(?=%2F|%5C|\Z)")


def path_segment(id_: str) -> str:
    """Return an id of an upstream as one segment of a path, whatever characters it has.

    Dots that a client or server would take for "this folder" or "the folder above" are encoded.
    """
    return _DOT_SEGMENT.sub(lambda dots: dots[1] + "%2E" * len(dots[2]), quote(id_, safe=""))
