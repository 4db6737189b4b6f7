"""Finds the link to the video or the image in the chat answer of a reverse service.

The forms of links are those of TheSmallHanCat/sora2api (e7d91b3) and of the relays that copy it.
They are tried in the order of how certainly they mean a result.
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from tallylight.upstreams.json_access import json_http_url

_SEARCH_WINDOW = 64 * 1024
"""The number of characters that are searched, from the end: the result comes last."""

_VIDEO_TAG = re.compile(
    r"<(?:video|source)\b[^>]{0,500}?\bsrc\s*+=\s*+(?:'([^'\s]{1,4000})'|\"([^\"\s]{1,4000})\")",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"(!?)\[([^\]\n]{0,300}+)\]\(\s*+(https?://[^)\s\[]{1,4000}+)\s*+\)", re.IGNORECASE
)
_URL = re.compile(r"https?://[^\s'\"<>)\]}`|]{1,4000}", re.IGNORECASE)
_VIDEO_SUFFIXES = (".mp4", ".mov", ".webm")
_LABELS = ("下载", "下載", "download", "播放", "play", "观看", "觀看", "watch")
_TRAILING_PUNCTUATION = ".,;:!?…，。；：！？、）》」』*_"


class LinkForm(IntEnum):
    """The form of a link, most certain first."""

    VIDEO_TAG = 1  # <video src='…'>
    LINK = 2  # [点击下载](…), or any link to a video file
    VIDEO_URL = 3  # https://….mp4
    IMAGE = 4  # ![Generated Image](…)
    URL = 5  # any URL


@dataclass(frozen=True, slots=True)
class ResultLink:
    """The URL of a result, and the form of its link."""

    url: str
    form: LinkForm


def find_result_links(content: str) -> Iterator[ResultLink]:
    """Yield the candidates for the result, best first; of each form, the last in the text."""
    searched = content[-_SEARCH_WINDOW:]
    for form, find_urls in _FINDERS:
        urls = [url for candidate in find_urls(searched) if (url := json_http_url(candidate))]
        if urls:
            yield ResultLink(urls[-1], form)


def _tags(text: str) -> Iterator[str]:
    return (html.unescape(single or double) for single, double in _VIDEO_TAG.findall(text))


def _links(text: str) -> Iterator[str]:
    for image, label, url in _LINK.findall(text):
        is_labelled = any(word in label.lower() for word in _LABELS)
        if _is_video_file(url) or (is_labelled and not image):
            yield url


def _video_urls(text: str) -> Iterator[str]:
    return (url for url in _urls(text) if _is_video_file(url))


def _images(text: str) -> Iterator[str]:
    return (url for image, _, url in _LINK.findall(text) if image)


def _urls(text: str) -> Iterator[str]:
    return (match.rstrip(_TRAILING_PUNCTUATION) for match in _URL.findall(text))


def _is_video_file(url: str) -> bool:
    path = url.partition("?")[0].partition("#")[0]
    return path.lower().endswith(_VIDEO_SUFFIXES)


_FINDERS: tuple[tuple[LinkForm, Callable[[str], Iterator[str]]], ...] = (
    (LinkForm.VIDEO_TAG, _tags),
    (LinkForm.LINK, _links),
    (LinkForm.VIDEO_URL, _video_urls),
    (LinkForm.IMAGE, _images),
    (LinkForm.URL, _urls),
)
