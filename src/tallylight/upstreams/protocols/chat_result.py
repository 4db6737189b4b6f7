"""Finds the video, or the image, in what a reverse service writes as a chat answer.

The forms are those met at TheSmallHanCat/sora2api (e7d91b3) and at the relays that copy its trade;
they are tried in the order of how certainly they mean a result.
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from tallylight.upstreams.json_access import json_http_url

_SEARCH_WINDOW = 64 * 1024
"""The result stands at the end of an answer; how much of the end is searched."""

_VIDEO_TAG = re.compile(
    r"<(?:video|source)\b[^>]{0,500}?\bsrc\s*+=\s*+(?:'([^'\s]{1,4000})'|\"([^\"\s]{1,4000})\")",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"(!?)\[([^\]\n]{0,300}+)\]\(\s*+(https?://[^)\s]{1,4000}+)\s*+\)", re.IGNORECASE
)
_URL = re.compile(r"https?://[^\s'\"<>)\]}`|]{1,4000}", re.IGNORECASE)
_VIDEO_SUFFIXES = (".mp4", ".mov", ".webm")
_LABELS = ("下载", "下載", "download", "播放", "play", "观看", "觀看", "watch")
_TRAILING_PUNCTUATION = ".,;:!?…，。；：！？、）》」』*_"


class LinkForm(IntEnum):
    """How a result was written, the most certain first."""

    VIDEO_TAG = 1  # <video src='…'>
    LINK = 2  # [点击下载](…), or any link to a video file
    VIDEO_URL = 3  # https://….mp4
    IMAGE = 4  # ![Generated Image](…)
    URL = 5  # any address at all


@dataclass(frozen=True, slots=True)
class ResultLink:
    """Where the result lies, and how it was written."""

    url: str
    form: LinkForm


def find_result_links(content: str) -> Iterator[ResultLink]:
    """Yield what may be the result, best first; of one form the last in the text."""
    searched = content[-_SEARCH_WINDOW:]
    for form, addresses in _FINDERS:
        found = [address for one in addresses(searched) if (address := json_http_url(one))]
        if found:
            yield ResultLink(found[-1], form)


def _tags(text: str) -> Iterator[str]:
    return (html.unescape(single or double) for single, double in _VIDEO_TAG.findall(text))


def _links(text: str) -> Iterator[str]:
    for image, label, address in _LINK.findall(text):
        is_labelled = any(word in label.lower() for word in _LABELS)
        if _is_video_file(address) or (is_labelled and not image):
            yield address


def _video_urls(text: str) -> Iterator[str]:
    return (address for address in _urls(text) if _is_video_file(address))


def _images(text: str) -> Iterator[str]:
    return (address for image, _, address in _LINK.findall(text) if image)


def _urls(text: str) -> Iterator[str]:
    return (match.rstrip(_TRAILING_PUNCTUATION) for match in _URL.findall(text))


def _is_video_file(address: str) -> bool:
    path = address.partition("?")[0].partition("#")[0]
    return path.lower().endswith(_VIDEO_SUFFIXES)


_FINDERS: tuple[tuple[LinkForm, Callable[[str], Iterator[str]]], ...] = (
    (LinkForm.VIDEO_TAG, _tags),
    (LinkForm.LINK, _links),
    (LinkForm.VIDEO_URL, _video_urls),
    (LinkForm.IMAGE, _images),
    (LinkForm.URL, _urls),
)
