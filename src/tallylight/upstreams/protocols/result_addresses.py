"""Finds where an answer says that the result of a job is: addresses, and files inside the answer.

Servers name the address in many members, and relays pass on what their own upstreams answer. So any
address counts, except in a member that plainly holds something else. The members that are known to
name the video come first.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import count

from tallylight.upstreams.addresses import resolved_address
from tallylight.upstreams.inline_files import InlineFile, LongText, inline_file, unmarked
from tallylight.upstreams.json_access import json_text, parse_json
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.media_types import is_film
from tallylight.upstreams.messages import Phase, Reply, Request, get
from tallylight.upstreams.steps import VIDEO, Output

MAX_ADDRESSES = 7
"""The most addresses of one answer that are tried; the content call comes beside them."""

_MAX_DEPTH, _MAX_MEMBERS = 12, 5000
_MAX_ADDRESS, _MAX_JSON_TEXT = 16_384, 1024 * 1024

#: Members in the order in which they are tried; arrays on the way do not count.
_KNOWN = (
    ("url",),
    ("urls",),
    ("video_url",),
    ("unsigned_urls",),
    ("metadata", "url"),
    ("video", "url"),
    ("result_url",),
    ("data", "result_url"),
)
_RANK_OF_FILMS, _RANK_OF_OTHERS, _RANK_OF_DOUBTFUL, _RANK_OF_PICTURES = 20, 30, 40, 50
_RANK_OF_PATHS = 35  # some servers name the path of their own file beside the address

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_FILM_WORDS = frozenset({"video", "videos", "film", "films", "movie", "mp4", "download", "result"})
_LINK_WORDS = frozenset({"url", "urls", "uri", "uris", "src", "href", "link", "links", "path"})
_ADDRESS_WORDS = _FILM_WORDS | _LINK_WORDS | {"output", "outputs", "results", "file", "files"}
_PICTURE_WORDS = frozenset({"image", "images", "img", "picture", "pictures", "photo", "photos"})
_OTHER = (
    "thumb thumbs thumbnail thumbnails poster posters cover covers avatar avatars icon icons "
    "logo logos pic frame frames sprite spritesheet callback callbacks webhook webhooks hook "
    "notify notification doc docs documentation help support status cancel poll polling home "
    "homepage terms license privacy policy schema error errors warning input inputs request "
    "params parameters reference references ref refs audio music subtitle subtitles caption "
    "captions prompt user owner profile author upload delete console dashboard billing "
    "invoice pricing "
)
_OTHER_WORDS = frozenset(_OTHER.split())
#: Members of a list of links that lead to the job itself, or to another one.
_OTHER_NAMES = frozenset({"get", "self", "web", "stream", "next", "prev", "previous", "id"})
_DOUBTFUL_WORDS = frozenset(
    {"preview", "gif", "watermark", "watermarked", "share", "source", "origin"}
)
_NEGATIONS = frozenset({"no", "without", "non", "un"})
_TEXT_NAMES = frozenset({"name", "filename", "file_name", "title", "message", "description"})

_FILM_ENDS = (".mp4", ".mov", ".webm", ".mkv", ".m4v", ".avi", ".ts")
_ANIMATION_ENDS = (".gif",)  # mostly a preview
_PICTURE_ENDS = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".bmp", ".svg", ".ico")
_DOCUMENT_ENDS = (".html", ".htm", ".json", ".txt", ".md", ".vtt", ".srt", ".mp3", ".wav", ".m3u8")

_SCHEMES = ("http://", "https://")

_Names = tuple[str, ...]
_Result = str | InlineFile


def find_results(
    job: Mapping[str, object], answer: Mapping[str, object], reply: Reply, base_url: str
) -> tuple[_Result, ...]:
    """Return where the result of a job is, best first: files in the answer, then addresses.

    Args:
        job: The object of the job.
        answer: The object around it, or the same.
        reply: The reply with the answer.
        base_url: What addresses are relative to.
    """
    is_wrapped = any(each is job for each in answer.values())
    around = {k: v for k, v in answer.items() if is_wrapped and v is not job}
    found: dict[_Result, tuple[int, int]] = {}
    order = count()
    for scope, least_rank in ((job, 0), (around, _RANK_OF_OTHERS)):
        for names, text in _texts(scope, (), count()):
            result, rank = _result_in(names, text, reply.long_texts, base_url)
            if result is not None and result not in found:
                found[result] = (max(rank, least_rank), next(order))
    return _best(found)


def films_at(urls: Iterable[str], answer: JsonView) -> tuple[Output, ...]:
    """Return the ways to the films of a finished job.

    Args:
        urls: What the usual member of its answer has, one for each film; "" where one has none.
        answer: Its answer, in which they are looked for by any name if the usual one has none.
    """
    usual = (Output(VIDEO, get(Phase.CONTENT, url), index) for index, url in enumerate(urls) if url)
    return tuple(usual) or outputs_named_in(answer)


def outputs_named_in(answer: JsonView) -> tuple[Output, ...]:
    """Return the ways to the result of a finished job whose usual member names none.

    Makers rename that member, and resellers have their own; what was paid for is not given up for
    a name. Only absolute addresses count.
    """
    named = answer.value if isinstance(answer.value, dict) else {}
    found = find_results(named, named, Reply(Phase.POLL, HTTPStatus.OK, {}, ""), "")
    return tuple(Output(VIDEO, way_to(each)) for each in found)


def results_named_in(reply: Reply, base_url: str) -> tuple[_Result, ...]:
    """Return where an answer in place of a file says that it is: JSON, or an address."""
    answer = parse_json(reply.body)
    if isinstance(answer, dict | list):
        holder = {"data": answer}
        return find_results(holder, holder, reply, base_url)
    text = answer if isinstance(answer, str) else reply.body.strip()
    if text[:8].lower().startswith(_SCHEMES) and len(text.split()) == 1:
        return (resolved_address(text, base_url),)
    found = inline_file(unmarked(text, reply.long_texts))
    return () if found is None else (found,)


def way_to(result: _Result) -> Request | InlineFile:
    """Return how a result is had: by a download, or it is here already."""
    return result if isinstance(result, InlineFile) else get(Phase.CONTENT, result)


def _best(found: Mapping[_Result, tuple[int, int]]) -> tuple[_Result, ...]:
    ranked = sorted(found, key=lambda each: (isinstance(each, str), *found[each]))
    # A picture is no film; it counts where there is nothing else, since services sell stills, too.
    films = [each for each in ranked if found[each][0] < _RANK_OF_PICTURES]
    return tuple((films or ranked)[:MAX_ADDRESSES])


def _texts(value: object, names: _Names, seen: Iterator[int]) -> Iterator[tuple[_Names, str]]:
    """Yield the texts of a value with the names of the members that lead to them."""
    if len(names) > _MAX_DEPTH or next(seen) > _MAX_MEMBERS:
        return
    if isinstance(value, dict):
        for name, item in value.items():
            if not _is_of_something_else(name):
                yield from _texts(item, (*names, name), seen)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item, names, seen)
    elif isinstance(value, str):
        text = json_text(value)
        is_json = text[:1] in {"{", "["} and len(text) <= _MAX_JSON_TEXT
        if is_json and isinstance(inner := parse_json(text), dict | list):
            yield from _texts(inner, (*names, ""), seen)
        else:
            yield names, text


def _is_of_something_else(name: str) -> bool:
    words = _words(name)
    is_picture = bool(words & _PICTURE_WORDS) and "video" not in words
    return name.lower() in _OTHER_NAMES or is_picture or not words.isdisjoint(_OTHER_WORDS)


def _result_in(
    names: _Names, text: str, long_texts: Sequence[LongText], base_url: str
) -> tuple[_Result | None, int]:
    """Return what a text of an answer leads to, None for nothing, and its rank."""
    whole = unmarked(text, long_texts)
    if (file := inline_file(whole)) is not None:
        return file, _rank(names, "") if is_film(file.media_type) else _RANK_OF_PICTURES
    text = whole.strip() if isinstance(whole, str) else ""
    address = _address_in(names, text, base_url)
    rank = _rank(names, address)
    return address or None, rank if _is_absolute(text) else max(rank, _RANK_OF_PATHS)


def _address_in(names: _Names, text: str, base_url: str) -> str:
    """Return the absolute address that a text is, "" if it is none."""
    name = names[-1] if names else ""
    words, is_one_word = _words(name), len(text.split()) == 1
    is_named = not words.isdisjoint(_ADDRESS_WORDS)
    if len(text) > _MAX_ADDRESS or not (is_one_word or is_named) or "\n" in text:
        return ""
    if not _is_absolute(text):
        is_path = text.startswith("/") or (not words.isdisjoint(_LINK_WORDS) and "/" in text)
        is_film = _ends(text, _FILM_ENDS) and name.lower() not in _TEXT_NAMES
        if not (is_film or (is_path and is_named and is_one_word)):
            return ""
    address = resolved_address(text, base_url)
    return "" if _ends(address, _DOCUMENT_ENDS) else address


def _is_absolute(text: str) -> bool:
    return text[:8].lower().startswith((*_SCHEMES, "//"))


def _rank(names: _Names, address: str) -> int:
    words = frozenset().union(*map(_words, names))
    if _ends(address, _PICTURE_ENDS):
        return _RANK_OF_PICTURES
    if tuple(each.lower() for each in names) in _KNOWN:
        return _KNOWN.index(tuple(each.lower() for each in names))
    is_doubtful = words & _DOUBTFUL_WORDS and not words & _NEGATIONS
    if is_doubtful or _ends(address, _ANIMATION_ENDS):
        return _RANK_OF_DOUBTFUL
    is_film = bool(words & _FILM_WORDS) or _ends(address, _FILM_ENDS)
    return _RANK_OF_FILMS if is_film else _RANK_OF_OTHERS


def _ends(address: str, ends: tuple[str, ...]) -> bool:
    return address.partition("?")[0].partition("#")[0].lower().endswith(ends)


def _words(name: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(name))
