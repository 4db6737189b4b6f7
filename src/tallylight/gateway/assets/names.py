"""The names of assets: the name of the first file tells those of all that belong to it. Pure.

A row has one column for its asset. A single file is `videos/video_1.1.png`; of three files, the
first is `videos/video_1.1.1of3.png`.
"""

import re

from tallylight.model.ids import AttemptId, VideoId
from tallylight.upstreams.media_types import FILE_SUFFIXES

_MP4 = "video/mp4"
_MEDIA_TYPES = {suffix: media_type for media_type, suffix in FILE_SUFFIXES.items()}
_FIRST_OF_SEVERAL = re.compile(r"(.+)\.1of([1-9][0-9]{0,3})((?:\.[a-z0-9]+)?)", re.ASCII)


def asset_name(attempt: AttemptId, media_type: str, count: int = 1) -> str:
    """Return the name of the first file of an attempt's asset.

    Its end tells the media type of all, none an mp4.

    Args:
        attempt: The attempt that delivered: a process that has lost the video writes no other file.
        media_type: The media type of the first file.
        count: How many files there are.
    """
    suffix = "" if media_type == _MP4 else f".{FILE_SUFFIXES.get(media_type, 'bin')}"
    return _first_name(f"videos/{attempt}", count, suffix)


def input_name(video: VideoId, count: int) -> str:
    """Return the name of the first of so many files that a video builds on."""
    return _first_name(f"references/{video}", count, "")


def files_of(asset: str) -> tuple[str, ...]:
    """Return the names of all files of an asset, in order; none for ""."""
    found = _FIRST_OF_SEVERAL.fullmatch(asset)
    if found is None:
        return (asset,) if asset else ()
    stem, count, suffix = found.groups()
    return tuple(f"{stem}.{number}of{count}{suffix}" for number in range(1, int(count) + 1))


def asset_media_type(name: str) -> str:
    """Return the media type of an asset."""
    return _MEDIA_TYPES.get(name.rpartition(".")[2], _MP4)


def _first_name(stem: str, count: int, suffix: str) -> str:
    return f"{stem}{suffix}" if count == 1 else f"{stem}.1of{count}{suffix}"
