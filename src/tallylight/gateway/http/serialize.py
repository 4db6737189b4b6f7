"""Serializes the gateway's values as the objects and headers of the Videos API.

A video's JSON is written by hand: polls are served some thousand times a second, and a general
encoder takes several times as long.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from json.encoder import encode_basestring_ascii as quoted
from urllib.parse import quote

from tallylight.gateway.api import Character, VideoPage
from tallylight.gateway.http.response import Header
from tallylight.model.ids import VideoId
from tallylight.model.order import Operation
from tallylight.model.video import Video, VideoStatus

_MAX_POLL_INTERVAL = timedelta(seconds=5)
_POLLS_SO_FAR = 20  # polls in the time since the create
_SAFE_CHARACTERS = "!#$%&'()*+,-./:;<=>?@[]^_`{|}~ "


def video_json(video: Video) -> str:
    """Return a video as JSON."""
    # `completed_at` stays null for a failed video.
    is_done = video.status is VideoStatus.COMPLETED
    is_remix = video.params.operation is Operation.REMIX and video.params.source
    error = video.error
    return (
        f'{{"id":{quoted(video.id)},"object":"video","model":{quoted(video.model)},'
        f'"status":"{video.status.value}","progress":{video.progress},'
        f'"created_at":{int(video.created_at.timestamp())},'
        f'"completed_at":{_unix(video.ended_at) if is_done else "null"},'
        f'"expires_at":{_unix(video.expires_at)},"prompt":{quoted(video.prompt)},'
        f'"size":{quoted(video.told_size)},"seconds":"{video.told_seconds}",'
        f'"remixed_from_video_id":{quoted(video.params.source) if is_remix else "null"},"error":'
        + (
            "null}"
            if error is None
            else f'{{"code":{quoted(error.code)},"message":{quoted(error.message)}}}}}'
        )
    )


def video_page_json(page: VideoPage) -> str:
    """Return a page of videos as the list object, with the ids for the next page."""
    first = quoted(page.videos[0].id) if page.videos else "null"
    last = quoted(page.videos[-1].id) if page.videos else "null"
    data = ",".join(video_json(video) for video in page.videos)
    more = "true" if page.has_more else "false"
    return (
        f'{{"object":"list","data":[{data}],"first_id":{first},"last_id":{last},"has_more":{more}}}'
    )


def deletion_json(id_: VideoId) -> str:
    """Return the object that confirms a deletion."""
    return f'{{"id":{quoted(id_)},"object":"video.deleted","deleted":true}}'


def character_json(character: Character) -> str:
    """Return a character as JSON."""
    return json.dumps(
        {
            "id": character.id,
            "name": character.name,
            "created_at": int(character.created_at.timestamp()),
        }
    )


def model_list_json(names: Sequence[str], since: datetime) -> str:
    """Return the routes as the list of models, created at the server's start."""
    data = ",".join(model_json(name, since) for name in names)
    return f'{{"object":"list","data":[{data}]}}'


def model_json(name: str, since: datetime) -> str:
    """Return a route as a model object."""
    return (
        f'{{"id":{quoted(name)},"object":"model","created":{int(since.timestamp())},'
        f'"owned_by":"tallylight"}}'
    )


def _unix(moment: datetime | None) -> str:
    return "null" if moment is None else str(int(moment.timestamp()))


def video_headers(video: Video) -> tuple[Header, ...]:
    """Return the `x-tallylight-*` headers: service, attempts, cost, substituted fields."""
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
    """Return the advised poll interval, which grows with the age of the video."""
    # The SDKs poll until a terminal status and then stop.
    if video.is_terminal:
        return ()
    wait = min(max((now - video.created_at) / _POLLS_SO_FAR, minimum), _MAX_POLL_INTERVAL)
    return ((b"openai-poll-after-ms", b"%d" % (wait // timedelta(milliseconds=1))),)


def _dollars(cost: Decimal | None) -> bytes:
    if cost is None:
        return b"unknown"
    return format(cost.normalize(), "f").encode("ascii")


def _substituted(substituted: Mapping[str, str]) -> bytes:
    pairs = (f"{name}={value.replace('→', '->')}" for name, value in sorted(substituted.items()))
    return _ascii(", ".join(pairs))


def _ascii(text: str) -> bytes:
    """Return a header value, with every character outside safe ASCII percent-encoded."""
    return quote(text, safe=_SAFE_CHARACTERS).encode("ascii")
