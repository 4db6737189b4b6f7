"""Which kind of file this is, by its first bytes: what it is called proves nothing."""

import re

SNIFFED_BYTES = 512
"""The number of bytes from which the kind is told."""

_MAGIC = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"BM.{4}\0{4}", re.DOTALL), "image/bmp"),
    (re.compile(rb"II\*\0|MM\0\*"), "image/tiff"),
    (re.compile(rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"), "image/jxl"),
    # QuickTime files and fragments may begin with another box (ISO/IEC 14496-12).
    (re.compile(rb"\0...(?:moov|mdat|wide|free|skip|pnot)", re.DOTALL), "video/quicktime"),
    (re.compile(rb"\0...(?:moof|styp|sidx)", re.DOTALL), "video/mp4"),
    (re.compile(rb"\x1aE\xdf\xa3.{0,60}?matroska", re.DOTALL), "video/x-matroska"),
    (re.compile(rb"\x1aE\xdf\xa3"), "video/webm"),
    (re.compile(rb"RIFF....AVI ", re.DOTALL), "video/x-msvideo"),
    (re.compile(rb"\x47.{187}\x47", re.DOTALL), "video/mp2t"),
    (re.compile(rb".{4}\x47.{191}\x47", re.DOTALL), "video/mp2t"),  # with time stamps (M2TS)
    (re.compile(rb"\0\0\x01[\xba\xb3]"), "video/mpeg"),
    (re.compile(rb"FLV\x01"), "video/x-flv"),
    (re.compile(rb"OggS\0"), "video/ogg"),
    (re.compile(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"), "video/x-ms-wmv"),
)

_BRANDS = re.compile(rb"....ftyp(.{4}).{0,4}(.*)", re.DOTALL)
"""The major brand and the compatible ones at the start of an ISO base media file."""

_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_STILL_BRANDS = {b"mif1", b"msf1", b"mif2", b"miaf"}  # of any codec
_QUICKTIME_BRAND = b"qt  "

FILE_SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/bmp": "bmp",
    "image/tiff": "tiff",
    "image/jxl": "jxl",
    "image/avif": "avif",
    "image/heic": "heic",
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
    "video/mp2t": "ts",
    "video/mpeg": "mpg",
    "video/x-flv": "flv",
    "video/ogg": "ogv",
    "video/x-ms-wmv": "wmv",
}
"""The usual end of the name of a picture's or film's file, by its media type."""

_OTHER_SUFFIXES = {"jpeg": "jpg", "jpe": "jpg", "tif": "tiff", "heif": "heic", "m4v": "mp4"}


def media_type_of(head: bytes) -> str:
    """Return the media type that the first bytes of a file show, "" if they show none."""
    if (brands := _BRANDS.match(head[: _size_of_first_box(head)])) is not None:
        return _type_of_brands(brands[1], brands[2])
    return next((kind for magic, kind in _MAGIC if magic.match(head)), "")


def is_film(media_type: str) -> bool:
    """Tell whether files of a media type move; an animation is delivered as a film by some."""
    return media_type.startswith("video/") or media_type == "image/gif"


def named_for_type(name: str, media_type: str) -> str:
    """Return a file name with the suffix of its media type, since servers look at it.

    A name without a stem becomes "reference", and a suffix of the same type stays.
    """
    suffix = FILE_SUFFIXES.get(media_type)
    stem, _, last = name.rpartition(".")
    last = last.lower()
    if suffix is None or (stem and _OTHER_SUFFIXES.get(last, last) == suffix):
        return name or "reference"
    name = name.rstrip(".")
    is_suffix = stem and (last in _OTHER_SUFFIXES or last in FILE_SUFFIXES.values())
    return f"{(stem if is_suffix else name) or 'reference'}.{suffix}"


def _size_of_first_box(head: bytes) -> int:
    """Return how many bytes the first box of an ISO base media file has, within reason."""
    return min(max(int.from_bytes(head[:4]), 16), 256)


def _type_of_brands(major: bytes, compatible: bytes) -> str:
    brands = {compatible[at : at + 4] for at in range(0, len(compatible), 4)}
    for kind in ({major}, brands if major in _STILL_BRANDS else set()):
        if kind & _AVIF_BRANDS:
            return "image/avif"
        if kind & _HEIC_BRANDS:
            return "image/heic"
    if major in _STILL_BRANDS:
        return "image/heic"
    return "video/quicktime" if major == _QUICKTIME_BRAND else "video/mp4"
