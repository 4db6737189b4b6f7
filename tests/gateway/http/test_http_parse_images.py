"""Requests for images are read as OpenAI's Images API documents them, in JSON and in forms."""

import base64
from dataclasses import replace

import pytest

from tallylight.gateway.http.forms import FieldTree, Upload, tree_from_form
from tallylight.gateway.http.parse import RequestContext
from tallylight.gateway.http.parse_images import edit_images_request, generation_request
from tallylight.gateway.requests import ApiError
from tallylight.model.ids import KeyId
from tallylight.model.order import Medium, Operation, Role

PNG = b"\x89PNG\r\n\x1a\n picture"
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
ORDER: FieldTree = {"model": "gpt-image-2", "prompt": "a boat"}
SAID = RequestContext(key=KeyId("key_1"))


def picture(number: int = 0) -> Upload:
    return Upload(f"{number}.png", "image/png", PNG + b"%d" % number)


def test_a_plain_request_leaves_the_measures_to_the_fit() -> None:
    request = generation_request(ORDER, SAID)

    assert (request.medium, request.operation) == (Medium.IMAGE, Operation.CREATE)
    measures = request.measures
    assert (measures.size, measures.quality, measures.count) == ("", "", 1)
    assert (request.inputs, request.extras) == ((), {})


@pytest.mark.parametrize("number", [4, "4"])
def test_measures_are_read(number: object) -> None:
    fields = {**ORDER, "n": number, "size": "1536x1024", "quality": "high"}

    measures = generation_request(fields, SAID).measures

    assert (measures.count, measures.size, measures.quality) == (4, "1536x1024", "high")


@pytest.mark.parametrize("name", ["size", "quality"])
@pytest.mark.parametrize("value", ["auto", "", None])
def test_auto_and_nothing_are_the_same(name: str, value: object) -> None:
    request = generation_request({**ORDER, name: value}, SAID)

    assert request.fingerprint == generation_request(ORDER, SAID).fingerprint


def test_what_the_fit_does_not_decide_passes() -> None:
    extras: FieldTree = {
        "background": "transparent",
        "output_format": "webp",
        "output_compression": 80,
        "moderation": "low",
        "user": "u1",
        "safety_identifier": "s1",
    }
    off: FieldTree = {"stream": False, "partial_images": 0, "response_format": "b64_json"}

    assert generation_request({**ORDER, **extras, **off}, SAID).extras == extras


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"prompt": ""}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": 1.5}, "n"),
        ({"n": True}, "n"),
        ({"n": "two"}, "n"),
        ({"size": "large"}, "size"),
        ({"size": "0x1024"}, "size"),
        ({"size": ["1024x1024"]}, "size"),
        ({"quality": "very good"}, "quality"),
        ({"quality": {"a": 1}}, "quality"),
        ({"stream": True}, "stream"),
        ({"stream": "true"}, "stream"),
        ({"partial_images": 3}, "partial_images"),
        ({"partial_images": [1]}, "partial_images"),
        ({"response_format": "url"}, "response_format"),
        ({"response_format": ["url"]}, "response_format"),
        ({"image": DATA_URL}, "image"),
        ({"mask": DATA_URL}, "mask"),
        ({"other": picture()}, "other"),
    ],
)
def test_a_field_that_cannot_be_served_is_named(fields: FieldTree, param: str) -> None:
    with pytest.raises(ApiError) as refusal:
        generation_request({**ORDER, **fields}, SAID)

    assert (refusal.value.status, refusal.value.param) == (400, param)


def test_the_files_of_a_form_are_pictures_and_a_mask() -> None:
    form = [*ORDER.items(), ("image[]", picture(1)), ("image[]", picture(2)), ("mask", picture(3))]

    request = edit_images_request(tree_from_form(form), SAID)

    assert [(each.role, each.body[-1:]) for each in request.inputs] == [
        (Role.REFERENCE, b"1"),
        (Role.REFERENCE, b"2"),
        (Role.MASK, b"3"),
    ]
    assert {each.media_type for each in request.inputs} == {"image/png"}
    assert request.extras == {}


@pytest.mark.parametrize(
    "value",
    [
        DATA_URL,
        [DATA_URL],
        {"image_url": DATA_URL},
        [{"image_url": DATA_URL}],
        Upload("a", "text/plain", PNG),
    ],
)
def test_a_picture_is_read_in_every_form(value: object) -> None:
    (found,) = edit_images_request({**ORDER, "image": value}, SAID).inputs

    assert (found.body, found.media_type, found.role) == (PNG, "image/png", Role.REFERENCE)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({}, "image"),
        ({"image": []}, "image"),
        ({"mask": picture()}, "image"),
        ({"image": Upload("a.png", "image/png", b"%PDF-1.7")}, "image"),
        ({"image": Upload("a.png", "image/png", b"")}, "image"),
        ({"image": [picture(each) for each in range(17)]}, "image"),
        ({"image": picture(), "mask": [picture(1), picture(2)]}, "mask"),
        ({"images": [{"file_id": "file_1"}]}, "images.file_id"),
    ],
)
def test_an_edit_without_usable_pictures_is_refused(fields: FieldTree, param: str) -> None:
    with pytest.raises(ApiError) as refusal:
        edit_images_request({**ORDER, **fields}, SAID)

    assert (refusal.value.status, refusal.value.param) == (400, param)


def test_sixteen_pictures_are_taken() -> None:
    pictures = [picture(each) for each in range(16)]

    assert len(edit_images_request({**ORDER, "image": pictures}, SAID).inputs) == 16


def test_every_part_of_a_request_counts_for_its_fingerprint() -> None:
    fields: FieldTree = {**ORDER, "image": [picture(1), picture(2)]}
    variants: list[FieldTree] = [
        fields,
        {**fields, "n": 2},
        {**fields, "quality": "high"},
        {**fields, "image": [picture(2), picture(1)]},
        {**fields, "image": [picture(1)], "mask": picture(2)},
        {**fields, "background": "opaque"},
    ]

    prints = {edit_images_request(each, SAID).fingerprint for each in variants}
    same = edit_images_request(fields, replace(SAID, is_retry=True)).fingerprint

    assert len(prints) == len(variants)
    assert same in prints
