"""Which path of the API a request means, since clients are configured and written in many ways."""

import re

CREATE_PATH = "/v1/videos"

_OTHER_CREATE_PATHS = ("/v1/video/generations", "/v1/videos/generations")
"""Of new-api's older route, and of xAI and others; the job's id follows, as in ours."""

_SIMILAR = re.compile(
    r"/(?:api/v1|openai|v[0-9][a-z0-9]*+|videos?|images|models)(?:/.*)?", re.DOTALL
)
_RESOURCE = re.compile(r"(?:.*?/)?(videos?|images|models)((?:/.*)?)", re.DOTALL | re.IGNORECASE)


def canonical_path(path: str) -> str:
    """Return a path without empty segments, and in the spelling of the Videos API."""
    if "//" in path or path.endswith("/"):
        path = "/" + "/".join(filter(None, path.split("/")))
    for other in _OTHER_CREATE_PATHS:
        if path == other or path.startswith(f"{other}/"):
            return CREATE_PATH + path.removeprefix(other)
    return path


def is_api_path(path: str) -> bool:
    """Tell whether a canonical path is the API's, or looks so much like it that it must be meant.

    Without `/v1` it is not served: an operator's proxy may let `/v1` through for some clients only.
    """
    return path.startswith("/v1/") or _SIMILAR.fullmatch(path.lower()) is not None


def similar_path(path: str) -> str:
    """Return the path of the API that resembles a canonical path, "" for none."""
    found = _RESOURCE.fullmatch(path)
    return "" if found is None else canonical_path(f"/v1/{found[1].lower()}{found[2]}")
