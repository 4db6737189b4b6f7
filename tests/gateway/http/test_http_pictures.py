"""A create's picture is read in every form in which clients send it, and never lost."""

import base64

import pytest

from tallylight.gateway.http import parse
from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.http.parse import RequestContext
from tallylight.gateway.http.text_validation import parsed_json_text
from tallylight.gateway.requests import ApiError
from tallylight.model.order import Input

PNG = b"\x89PNG\r\n\x1a\n picture"
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
ORDER: FieldTree = {"model": "sora-2", "prompt": "a boat"}
LINK = "https://a.example/b.png"
CODED = base64.b64encode(PNG).decode()
DATA_URL = f"data:image/png;base64,{CODED}"


def read(**fields: object) -> Input | None:
    found = parse.create_request({**ORDER, **fields}, RequestContext()).inputs
    return found[0] if found else None


@pytest.mark.parametrize(
    ("value", "reference"),
    [
        (Upload("a.png", "image/png", PNG), Input("", PNG, "image/png", "a.png")),
        (Upload("a", "application/octet-stream", PNG), Input("", PNG, "image/png", "a")),
        (Upload("a.jpg", "image/jpg", HEIC), Input("", HEIC, "image/heic", "a.jpg")),
        (Upload("a.txt", "text/plain", PNG), Input("", PNG, "image/png", "a.txt")),
        ({"image_url": DATA_URL, "file_id": None}, Input("", PNG, "image/png")),
        (DATA_URL, Input("", PNG, "image/png")),
        (f"DATA:;base64,{CODED.rstrip('=')}", Input("", PNG, "image/png")),
        (
            f"data:image/jpeg;name=a;base64,{CODED[:9]}\n {CODED[9:]}",
            Input("", PNG, "image/png"),
        ),
        ("data:image/webp,GIF89a%20b", Input("", b"GIF89a b", "image/gif")),
        (CODED, Input("", PNG, "image/png")),
        (
            base64.urlsafe_b64encode(HEIC + b"\xff\xfe").decode(),
            Input("", HEIC + b"\xff\xfe", "image/heic"),
        ),
        (LINK, Input(LINK)),
        (f" {LINK}\n", Input(LINK)),
        ([LINK], Input(LINK)),
        ([None, LINK, ""], Input(LINK)),
        ([LINK, LINK], Input(LINK)),
        ([{"image_url": LINK}], Input(LINK)),
        ({"image_url": LINK}, Input(LINK)),
        ({"url": LINK}, Input(LINK)),
        ({"image_url": {"url": LINK, "detail": "high"}}, Input(LINK)),
        ({"type": "image_url", "image_url": {"url": LINK}}, Input(LINK)),
        ({"b64_json": CODED}, Input("", PNG, "image/png")),
        (
            "http://a.example/b%2Fc?sig=a+b/c==&e=%7e",
            Input("http://a.example/b%2Fc?sig=a+b/c==&e=%7e"),
        ),
        ("https://a.example/图 1.png", Input("https://a.example/%E5%9B%BE%201.png")),
        ("https://図.example:81/b", Input("https://xn--lcs.example:81/b")),
        (None, None),
        (" ", None),
        ([], None),
        ([None], None),
    ],
)
def test_a_picture_is_read_in_every_form(value: object, reference: Input | None) -> None:
    assert read(input_reference=value) == reference


@pytest.mark.parametrize(
    "name",
    [
        *("input_reference", "Input-Reference", "inputReference", "input_references"),
        *("image", "images", "image_url", "imageUrl", "image_urls", "image_base64"),
        *("input_image", "image_reference", "reference_url"),
    ],
)
def test_a_picture_is_read_under_every_name(name: str) -> None:
    request = parse.create_request({**ORDER, name: [LINK]}, RequestContext())

    assert (request.inputs, request.extras) == ((Input(url=LINK),), {})


@pytest.mark.parametrize("picture", [LINK, Upload("a.png", "", PNG)])
def test_a_picture_under_two_names_is_one(picture: object) -> None:
    assert read(input_reference=picture, image=picture, images=[picture]) is not None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input_reference": [LINK, f"{LINK}2"]}, "input_reference"),
        ({"input_reference": [Upload("a", "", PNG), Upload("b", "", HEIC)]}, "input_reference"),
        ({"images": [LINK, DATA_URL]}, "images"),
        ({"input_reference": LINK, "image": f"{LINK}2"}, "image"),
    ],
)
def test_several_pictures_are_refused(fields: FieldTree, param: str) -> None:
    with pytest.raises(ApiError, match="takes one for each video") as refused:
        read(**fields)

    assert (refused.value.status, refused.value.param) == (400, param)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"file_id": "file_1"}, "this gateway stores no files"),
        ({"file_id": "file_1", "image_url": "https://a.example"}, "exactly one of"),
        ({"url": LINK, "image_url": LINK}, "exactly one of"),
        ({"image_url": " "}, "exactly one of"),
        ({"type": "video_url", "video_url": LINK}, "exactly one of"),
        ({}, "exactly one of"),
        ({"image_url": 4}, "expected a file or an object, but got an integer"),
        ("ftp://a.example/b.png", "an http or https URL"),
        ("file:///etc/passwd", "an http or https URL"),
        ("https://", "an http or https URL"),
        ("https://a.example/\nb", "an http or https URL"),
        (f"https://{'ü' * 80}/", "another host"),
        ("photo.png", "an http or https URL"),
        (base64.b64encode(b"no picture at all").decode(), "or a picture in base64"),
        ("data:image/png;base64,!!!", "base64 is broken"),
        ("data:image/png;base64,é", "base64 is broken"),
        ("data:image/png;base64,", "an empty data URL"),
        ("data:image/png", "a data URL such as"),
        ("data:text/html,<p>", "a data URL of another kind"),
        ({"image_url": "https://a.example/" + "x" * 20_971_520}, "string too long"),
        (Upload("a.png", "image/png", b""), "an empty file"),
        (Upload("a.png", "image/png", b"<html>"), "a file of another kind"),
        (Upload("a.png", "image/png", b"%PDF-1.7"), "a file of another kind"),
        (Upload("a.png", "image/png", b"\0\0\0\x18ftypisom"), "a file of video/mp4"),
        (4, "expected a file or an object"),
        (True, "expected a file or an object"),
    ],
)
def test_what_is_no_picture_is_refused(value: object, message: str) -> None:
    with pytest.raises(ApiError, match=message) as refused:
        read(input_reference=value)

    assert refused.value.status == 400
    assert refused.value.param.startswith("input_reference")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (f' {{"image_url": "{LINK}"}}', {"image_url": LINK}),
        (f'["{LINK}"]', [LINK]),
        ([f'{{"url": "{LINK}"}}'], [{"url": LINK}]),
        (LINK, LINK),
        ("{broken", "{broken"),
        ("[" * 100_000, "[" * 100_000),
        (4, 4),
    ],
)
def test_json_in_a_forms_text_is_parsed(text: object, value: object) -> None:
    assert parsed_json_text(text) == value


def test_the_same_picture_in_another_form_is_the_same_request() -> None:
    forms: list[FieldTree] = [
        {"input_reference": Upload("a", "image/jpg", PNG)},
        {"input_reference": {"image_url": DATA_URL}},
        {"image": CODED},
    ]

    prints = {
        parse.create_request({**ORDER, **fields}, RequestContext()).fingerprint for fields in forms
    }

    assert len(prints) == 1
