"""The first bytes of a file, not its name, tell what it is."""

import pytest

from tallylight.upstreams.media_types import is_film, media_type_of, named_for_type

BOX = b"\0\0\0\x18ftyp"
TS = b"\x47" + bytes(187)


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe1\0\x10Exif", "image/jpeg"),
        (b"RIFF\x2a\0\0\0WEBPVP8 ", "image/webp"),
        (b"GIF89a", "image/gif"),
        (b"BM" + b"\0" * 8, "image/bmp"),
        (b"MM\0*", "image/tiff"),
        (b"II*\0", "image/tiff"),
        (b"\xff\x0a", "image/jxl"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
        (BOX + b"heic", "image/heic"),
        (BOX + b"hevx", "image/heic"),
        (BOX + b"mif1\0\0\0\0mif1heic", "image/heic"),
        (BOX + b"mif1\0\0\0\0mif1avif", "image/avif"),
        (BOX + b"mif1", "image/heic"),
        (BOX + b"avif\0\0\0\0mif1heic", "image/avif"),
        (BOX + b"avis", "image/avif"),
        (BOX + b"mp42\0\0\0\0mp42isom", "video/mp4"),
        (BOX + b"qt  ", "video/quicktime"),
        (b"\0\0\0\x08wide", "video/quicktime"),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x84webm", "video/webm"),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x88matroska", "video/x-matroska"),
        (b"RIFF\x2a\0\0\0AVI LIST", "video/x-msvideo"),
        (b"RIFF\x2a\0\0\0WAVEfmt ", ""),
        (b"BMW is a text", ""),
        (b"%PDF-1.7", ""),
        (b"<svg/>", ""),
        (b"\0\0\0\x18sidx", "video/mp4"),
        (b"", ""),
    ],
)
def test_the_first_bytes_of_a_file_tell_its_media_type(start: bytes, media_type: str) -> None:
    assert media_type_of(start) == media_type


def test_a_brand_that_is_not_in_the_first_box_does_not_count() -> None:
    assert media_type_of(BOX + b"mif1\0\0\0\0mif1heic" + b"avif" * 9) == "image/heic"


@pytest.mark.parametrize(
    ("name", "media_type", "named"),
    [
        ("", "image/png", "reference.png"),
        ("", "", "reference"),
        ("a.png", "image/png", "a.png"),
        ("照片 1.PNG", "image/png", "照片 1.PNG"),
        ("a.jpeg", "image/jpeg", "a.jpeg"),
        ("a.png", "image/heic", "a.heic"),
        ("a.mp4", "image/webp", "a.webp"),
        ("a.png.webp", "image/webp", "a.png.webp"),
        ("photo", "image/jpeg", "photo.jpg"),
        ("photo.", "image/jpeg", "photo.jpg"),
        ("v1.2", "image/gif", "v1.2.gif"),
        ("png", "image/png", "png.png"),
        ("a.bin", "application/octet-stream", "a.bin"),
    ],
)
def test_a_file_has_the_suffix_of_its_media_type(name: str, media_type: str, named: str) -> None:
    assert named_for_type(name, media_type) == named


@pytest.mark.parametrize(
    ("head", "media_type", "moves"),
    [
        (b"\0\0\0\x18ftypmp42", "video/mp4", True),
        (b"\0\0\0\x14ftypqt  ", "video/quicktime", True),
        (b"\0\0\0\x08wide\0\0", "video/quicktime", True),
        (b"\0\0\x10\0moov", "video/quicktime", True),
        (b"\0\0\0\x18styp", "video/mp4", True),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "video/webm", True),
        (b"\x1aE\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska", "video/x-matroska", True),
        (b"RIFF\0\0\0\0AVI LIST", "video/x-msvideo", True),
        (TS * 2, "video/mp2t", True),
        (b"\0\0\0\0" + (b"\x47" + bytes(191)) * 2, "video/mp2t", True),
        (b"\0\0\x01\xba", "video/mpeg", True),
        (b"FLV\x01\x05", "video/x-flv", True),
        (b"OggS\0\x02", "video/ogg", True),
        (b"GIF89a", "image/gif", True),
        (b"\x89PNG\r\n\x1a\n", "image/png", False),
        (b"\xff\xd8\xff\xe0", "image/jpeg", False),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp", False),
        (b"\0\0\0\x18ftypheic", "image/heic", False),
        (b"<!DOCTYPE html><html>", "", False),
        (b'{"error":{"message":"expired"}}', "", False),
        (b"Go away", "", False),
        (b"RIFF\0\0\0\0WAVE", "", False),
        (b"\x00" * 400, "", False),
        (b"", "", False),
    ],
)
def test_the_kind_of_a_file(head: bytes, media_type: str, moves: bool) -> None:
    assert (media_type_of(head), is_film(media_type)) == (media_type, moves)
