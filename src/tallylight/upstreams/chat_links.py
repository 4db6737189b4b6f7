"""Finds links to a video in the text of a chat answer.

The forms are those of TheSmallHanCat/sora2api (e7d91b3) and of the relays that copy it. They are
tried in the order of how certainly they mean a result. An address may be relative to the upstream.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum

from tallylight.upstreams.json_access import json_http_url

_SEARCH_WINDOW = 64 * 1024
"""The number of characters that are searched, from the end: the result comes last."""

_QUOTED = r"(?:'([^'\s]{1,4000})'|\"([^\"\s]{1,4000})\")"
_VIDEO_TAG = re.compile(
    r"<(?:video|source)\b[^<>]{0,500}?\bsrc\s*+=\s*+(?:'([^'\s]{1,4000})'|\"([^\"\s]{1,4000})\""
    r"|([^'\"\s>]{1,4000}))",
    re.IGNORECASE,
)
_ANCHOR = re.compile(
    rf"<a\b[^<>]{{0,500}}?\bhref\s*+=\s*+{_QUOTED}[^<>]{{0,500}}+>([^<]{{0,300}}+)", re.IGNORECASE
)
_LINK = re.compile(
    r"(!?)\[([^\]\n]{0,300}+)\]\(\s*+<?([^)\s\[<>]{1,4000}+)>?(?:\s++\"[^\"\n]{0,200}+\")?\s*+\)"
)
_MEMBER = re.compile(rf"""["']([\w-]{{1,60}}+)["']\s*+:\s*+{_QUOTED}""")
_URL = re.compile(
    r"https?://[^\s'\"<>)\]}`|\\，。；！？、（）《》「」『』【】]{1,4000}", re.IGNORECASE
)
_PATH = re.compile(
    r"(?<![\w./%?&=-])(?<!:(?=\w))(?!//)[\w.-]{0,100}+/[\w./%~+@=,-]{1,2000}+(?:\?[\w./%~+@=,&-]{0,2000}+)?",
    re.ASCII,
)
_UNFETCHABLE = re.compile(
    r"data:[a-z]{1,20}/[a-z0-9.+-]{1,60};base64,[a-z0-9+/=_-]*+|blob:https?://[^\s'\"<>]{0,500}+",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,20}:", re.IGNORECASE)
_TRAILING_PUNCTUATION = ".,;:!?…：*_"

_FILM_ENDINGS = (".mp4", ".mov", ".webm", ".m4v", ".mkv", ".avi")
_FILM_ENDING = re.compile(r"\.(?:mp4|mov|webm|m4v|mkv|avi)(?![a-z0-9_])", re.IGNORECASE)
_PICTURE_ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".avif", ".heic", ".svg")
_PAGE_ENDINGS = (".html", ".htm", ".pdf", ".md", ".txt", ".json", ".xml", ".js", ".css", ".ico")
#: Parts of addresses that lead to pages.
_PAGE_PARTS = frozenset(
    {
        *("about", "billing", "blog", "buy", "community", "console", "contact", "credits"),
        *("dashboard", "discord", "doc", "docs", "documentation", "error", "errors", "faq", "faqs"),
        *("forum", "guide", "guidelines", "guides", "help", "invite", "kb", "legal", "login"),
        *("news", "pay", "payment", "payments", "plan", "plans", "policies", "policy", "price"),
        *("prices", "pricing", "privacy", "purchase", "recharge", "register", "registration"),
        *("settings", "sign-in", "sign-up", "sign_in", "sign_up", "signin", "signup", "status"),
        *("subscribe", "subscription", "support", "terms", "top-up", "top_up", "topup", "tos"),
        *("tutorial", "upgrade", "usage", "wallet", "wiki"),
    }
)
#: A path in one of them is no address.
_FOLDERS_OF_SERVERS = ("/app/", "/etc/", "/home/", "/mnt/", "/opt/", "/root/", "/tmp/", "/var/")  # noqa: S108
_LABELS = ("下载", "下載", "download", "播放", "play", "观看", "觀看", "watch")
_MEMBER_LABELS = (*_LABELS, "video", "result")
_PREVIEWS = (
    *("cover", "poster", "thumb", "avatar", "icon", "frame", "logo"),
    *("封面", "缩略", "縮略"),
)
_OTHER_MEMBERS = (*_PREVIEWS, "image", "input", "reference", "source", "prompt")
_ANNOUNCEMENT = re.compile(
    r"下[载載]|播放|[观觀]看|download|\bwatch\b|(?:生成|制作|製作)(?:成功|完[成毕畢])|已(?:经)?生成"
    r"|is ready\b|here(?:'s| is| are) (?:your|the)\b|successfully (?:generated|created)"
    r"|(?:generated|created) successfully|generation (?:is )?completed?\b",
    re.IGNORECASE,
)
_ANNOUNCED_WITHIN = 200

_Found = Iterator[tuple[str, bool]]  # each address, and whether it is known to be whole


class LinkForm(IntEnum):
    """The form of a link, most certain first."""

    VIDEO_TAG = 1  # <video src='…'>
    VIDEO_LINK = 2  # a link in markdown or HTML to a video file
    VIDEO_URL = 3  # https://….mp4
    LABELLED = 4  # [点击下载](…), "video_url": "…", or "The video is ready: https://…"
    VIDEO_PATH = 5  # /files/….mp4
    IMAGE = 6  # ![Generated](…)
    URL = 7  # any URL

    @property
    def is_certain(self) -> bool:
        """Tell whether such a link is a result even beside a failure."""
        return self <= LinkForm.VIDEO_URL

    @property
    def is_named(self) -> bool:
        """Tell whether the answer says that such a link is a result."""
        return self <= LinkForm.LABELLED


@dataclass(frozen=True, slots=True)
class ResultLink:
    """A link to a result.

    Args:
        address: As it stands in the answer, relative or absolute.
        is_whole: The address is known to be whole, even if the text was cut after it.
    """

    address: str
    form: LinkForm
    is_whole: bool = True


def find_links(content: str) -> Iterator[ResultLink]:
    """Yield the candidates for the result, best first; of each form, the last in the text first."""
    text = _UNFETCHABLE.sub("data:", content)[-_SEARCH_WINDOW:]
    text = text.replace("\\/", "/").replace("\\u0026", "&").replace('\\"', '"')
    for form, find in _FINDERS:
        found = [(address, is_whole) for address, is_whole in find(text) if is_address(address)]
        for address, is_whole in reversed(found):
            yield ResultLink(address, form, is_whole)


def without_addresses(content: str) -> str:
    """Return a text without the addresses in it, whose words say nothing."""
    return _URL.sub(" ", content)


def is_address(text: str) -> bool:
    """Tell whether a text is an http or https address, or a relative one."""
    if _SCHEME.match(text):
        return bool(json_http_url(text))
    return any(character.isalnum() for character in text) and not text.startswith("#")


def _tags(text: str) -> _Found:
    for found in _VIDEO_TAG.finditer(text):
        address = _attribute(found[1] or found[2] or found[3])
        if not address.lower().endswith((*_PICTURE_ENDINGS, *_PAGE_ENDINGS)):
            yield address, not found[3] or found.end() < len(text)


def _video_links(text: str) -> _Found:
    return ((address, True) for _, _, address in _links(text) if _is_film(address))


def _video_urls(text: str) -> _Found:
    return ((url, is_whole) for url, _, is_whole in _urls(text) if _is_film(url))


def _labelled(text: str) -> _Found:
    for image, label, address in _links(text):
        if not image and _has_any(label, _LABELS) and not _leads_elsewhere(address):
            yield address, True
    for found in _MEMBER.finditer(text):
        label, address = found[1], found[2] or found[3]
        is_result = _has_any(label, _MEMBER_LABELS) and not _has_any(label, _OTHER_MEMBERS)
        is_named = address.startswith(("http://", "https://", "/"))
        if is_result and is_named and not _leads_elsewhere(address):
            yield address, True
    for url, at, is_whole in _urls(text):
        said = text[max(at - _ANNOUNCED_WITHIN, 0) : at]
        if _ANNOUNCEMENT.search(said) and not _leads_elsewhere(url):
            yield url, is_whole


def _video_paths(text: str) -> _Found:
    for found in _PATH.finditer(text):
        path = found[0].rstrip(_TRAILING_PUNCTUATION)
        if _is_film(path) and not path.startswith(_FOLDERS_OF_SERVERS):
            yield path, found.end() < len(text)


def _images(text: str) -> _Found:
    # Services of stills deliver a picture; beside a video, it shows the video's.
    for image, label, address in _links(text):
        is_preview = _has_any(f"{label} {address}", _PREVIEWS)
        is_named = image or _has_any(label, _LABELS)
        if is_named and not is_preview and not _is_page(address):
            yield address, True


def _other_urls(text: str) -> _Found:
    members = _MEMBER.finditer(text)
    others = {each[2] or each[3] for each in members if _has_any(each[1], _OTHER_MEMBERS)}
    for url, _, is_whole in _urls(text):
        if url not in others and not _leads_elsewhere(url):
            yield url, is_whole


def _links(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield for each link whether it is an image ("!"), its label and its address."""
    for found in _LINK.finditer(text):
        yield found[1], found[2], found[3]
    for found in _ANCHOR.finditer(text):
        yield "", found[3], _attribute(found[1] or found[2])


def _urls(text: str) -> Iterator[tuple[str, int, bool]]:
    """Yield each URL with its place, and whether it is known to be whole."""
    for found in _URL.finditer(text):
        url = found[0].rstrip(_TRAILING_PUNCTUATION)
        ending = _FILM_ENDING.search(url)
        if ending and url[ending.end() : ending.end() + 1] not in {"", "?", "#", "/"}:
            url = url[: ending.end()]  # a text follows without a space
        is_whole = found.end() < len(text) or url.lower().endswith(_FILM_ENDINGS)
        yield url, found.start(), is_whole


def _attribute(text: str) -> str:
    # Only this escape: "&copy=" in an address is no sign of a copyright.
    return text.replace("&amp;", "&")


def _has_any(text: str, words: tuple[str, ...]) -> bool:
    folded = text.lower()
    return any(word in folded for word in words)


def _is_film(address: str) -> bool:
    path, _, query = address.partition("#")[0].partition("?")
    if path.lower().endswith(_FILM_ENDINGS):
        return True
    return query.lower().endswith(_FILM_ENDINGS) and not _leads_elsewhere(path)


def _leads_elsewhere(address: str) -> bool:
    """Tell whether an address is the one of a page or a picture, by its look."""
    path = address.partition("?")[0].partition("#")[0].lower()
    return path.endswith(_PICTURE_ENDINGS) or _has_any(path, _PREVIEWS) or _is_page(address)


def _is_page(address: str) -> bool:
    """Tell whether an address is the one of a page, by its look."""
    _, is_absolute, rest = address.lower().rpartition("://")
    host, *parts = rest.partition("?")[0].replace("#", "/").split("/")
    if is_absolute and not any(parts):
        return True
    names = {host.partition(".")[0] if is_absolute else host, *parts}
    has_ending = bool(parts) and parts[-1].endswith(_PAGE_ENDINGS)
    return has_ending or not names.isdisjoint(_PAGE_PARTS)


_FINDERS: tuple[tuple[LinkForm, Callable[[str], _Found]], ...] = (
    (LinkForm.VIDEO_TAG, _tags),
    (LinkForm.VIDEO_LINK, _video_links),
    (LinkForm.VIDEO_URL, _video_urls),
    (LinkForm.LABELLED, _labelled),
    (LinkForm.VIDEO_PATH, _video_paths),
    (LinkForm.IMAGE, _images),
    (LinkForm.URL, _other_urls),
)
