"""What a video's answer tells beside the Videos API: who makes it, after how many tries, cost."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

from tallylight.gateway.http.response import Header
from tallylight.model.video import Video

_MAX_POLL_INTERVAL = timedelta(seconds=5)
_POLLS_SO_FAR = 20  # in the time that the video has taken so far
_SAFE_CHARACTERS = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~ "


def video_headers(video: Video) -> tuple[Header, ...]:
    """Return our own headers on a video."""
    headers = [
        (b"x-tallylight-attempts", b"%d" % video.attempts),
        (b"x-tallylight-cost", _dollars(video.cost)),
    ]
    if video.service:
        headers.append((b"x-tallylight-service", _ascii(video.service)))
    if video.substitutions:
        headers.append((b"x-tallylight-substituted", _substituted(video.substitutions)))
    return tuple(headers)


def poll_after_header(video: Video, now: datetime, minimum: timedelta) -> tuple[Header, ...]:
    """Return when it is worth asking again: the longer a video takes, the less often."""
    if video.is_terminal:
        return ()
    wait = min(max((now - video.created_at) / _POLLS_SO_FAR, minimum), _MAX_POLL_INTERVAL)
    return ((b"openai-poll-after-ms", b"%d" % (wait // timedelta(milliseconds=1))),)


def _dollars(cost: Decimal) -> bytes:
    return format(cost.normalize(), "f").encode("ascii")


def _substituted(substituted: Mapping[str, str]) -> bytes:
    said = (f"{name}={value.replace('→', '->')}" for name, value in sorted(substituted.items()))
    return _ascii(", ".join(said))


def _ascii(text: str) -> bytes:
    """Return a text as a header can hold it: all else percent-encoded."""
    return quote(text, safe=_SAFE_CHARACTERS).encode("ascii")
