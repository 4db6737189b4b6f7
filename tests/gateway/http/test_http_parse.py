"""Requests are read tolerantly; the features of services are not checked here."""

import base64
import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.gateway.http import parse
from tallylight.gateway.http.forms import FieldTree, Upload
from tallylight.gateway.http.parse import RequestContext, read_context
from tallylight.gateway.requests import ApiError
from tallylight.model.ids import KeyId, VideoId
from tallylight.model.order import Input, Medium, Operation, Role

PNG = b"\x89PNG\r\n\x1a\n picture"
ORDER: FieldTree = {"model": "sora-2", "prompt": "a boat"}
SAID = RequestContext(key=KeyId("key_1"))


@pytest.mark.parametrize(
    ("seconds", "read"),
    [
        ("8", 8),
        (8, 8),
        (8.0, 8),
        ("8.0", 8),
        ("8s", 8),
        (" 8 ", 8),
        ("8 seconds", 8),
        ("120", 120),
        (None, None),
        ("", None),
        (" ", None),
    ],
)
def test_seconds_are_read_as_text_or_number(seconds: object, read: int | None) -> None:
    assert parse.create_request({**ORDER, "seconds": seconds}, SAID).measures.seconds == read


@pytest.mark.parametrize(
    "seconds",
    [
        *("eight", "auto", "0", "-4", "4.5", "4m", "1e3", "NaN", "9" * 6, "٤"),
        *(0, -1, 4.5, 1e9, 10**30, float("nan"), float("inf"), True, [4], {"a": 4}),
    ],
)
def test_malformed_seconds_are_refused(seconds: object) -> None:
    with pytest.raises(ApiError, match="'seconds'") as refused:
        parse.create_request({**ORDER, "seconds": seconds}, SAID)

    assert refused.value.param == "seconds"


@pytest.mark.parametrize(
    "size", ["1280x720", "1280*720", "1280X720", "1280×720", "1280 x 720", " 1280x720\n"]
)
def test_a_size_is_read_in_every_spelling(size: str) -> None:
    assert parse.create_request({**ORDER, "size": size}, SAID).measures.size == "1280x720"


@pytest.mark.parametrize("size", [None, "", "  "])
def test_a_size_may_be_empty(size: object) -> None:
    assert parse.create_request({**ORDER, "size": size}, SAID).measures.size == ""


@pytest.mark.parametrize(
    "size",
    [
        *("720p", "4k", "16:9", "auto", "large", "1280", "0x720", "1280x", "1280x720x3"),
        *(720, 16.9, True, [1280, 720], {"width": 1280, "height": 720}, "1" * 300),
    ],
)
def test_a_malformed_size_is_refused(size: object) -> None:
    with pytest.raises(ApiError, match="'size'") as refused:
        parse.create_request({**ORDER, "size": size}, SAID)

    assert (refused.value.status, refused.value.param) == (400, "size")


def test_unofficial_sizes_and_lengths_are_accepted() -> None:
    ask = parse.create_request({**ORDER, "size": "1x99999", "seconds": "1001"}, SAID)

    assert (ask.measures.size, ask.measures.seconds) == ("1x99999", 1001)


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        (None, "missing_required_parameter"),
        ("", "missing_required_parameter"),
        (4, "invalid_type"),
        ("x" * 32_001, "string_above_max_length"),
    ],
)
def test_a_prompt_has_1_to_32000_characters(prompt: object, code: str) -> None:
    with pytest.raises(ApiError) as refused:
        parse.create_request({**ORDER, "prompt": prompt}, SAID)

    assert (refused.value.code, refused.value.param) == (code, "prompt")


def test_unknown_fields_are_passed_on_unchanged() -> None:
    ask = parse.create_request({**ORDER, "style": 5, "meta": {"a": ["1", None]}, "fps": "24"}, SAID)

    assert ask.extras == {"style": 5, "meta": {"a": ["1", None]}, "fps": "24"}


def test_a_file_in_an_unknown_field_is_refused() -> None:
    with pytest.raises(ApiError, match="a file cannot be sent in this field"):
        parse.create_request({**ORDER, "meta": {"a": [Upload("a.png", "", PNG)]}}, SAID)


def test_the_policy_of_the_body_overrides_the_header() -> None:
    said = replace(SAID, policy="personal")

    assert parse.create_request(ORDER, said).policy == "personal"
    assert parse.create_request({**ORDER, "policy": "official"}, said).policy == "official"


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(ApiError, match="No such policy: quickest") as no:
        parse.create_request(ORDER, replace(SAID, policy="quickest"))

    assert (no.value.code, no.value.param) == ("invalid_value", "policy")


@pytest.mark.parametrize("value", [[{"id": "char_1"}, {"id": "char_2"}], ["char_1", "char_2"]])
def test_characters_are_named_by_their_ids(value: object) -> None:
    assert parse.create_request({**ORDER, "characters": value}, SAID).characters == (
        "char_1",
        "char_2",
    )


_DATA_URL = "data:image/png;base64," + base64.b64encode(PNG).decode()


@pytest.mark.parametrize("video", [{"id": "video_1"}, "video_1"])
def test_an_edit_or_extension_names_its_video(video: object) -> None:
    fields = {"prompt": "on", "video": video, "seconds": "4"}

    edit, extension = parse.edit_request(fields, SAID), parse.extend_request(fields, SAID)

    assert (edit.operation, edit.source, edit.model) == (Operation.EDIT, "video_1", "")
    assert (extension.operation, extension.source) == (Operation.EXTEND, "video_1")


def test_an_edit_may_upload_its_video() -> None:
    film = Upload("a.mp4", "", b"\0\0\0\x18ftypisom film")

    ask = parse.edit_request({**ORDER, "video": film}, SAID)

    assert ask.inputs == (Input("", film.body, "video/mp4", "a.mp4", Role.SOURCE, Medium.VIDEO),)


def test_an_edit_without_a_video_and_an_extension_without_seconds_are_refused() -> None:
    with pytest.raises(ApiError, match="Missing required parameter: 'video'"):
        parse.edit_request(ORDER, SAID)
    with pytest.raises(ApiError, match="Missing required parameter: 'seconds'"):
        parse.extend_request({**ORDER, "video": "video_1"}, SAID)


def test_a_remix_needs_no_model_since_its_source_has_one() -> None:
    ask = parse.remix_request({"prompt": "red"}, SAID, VideoId("video_1"))

    assert (ask.operation, ask.source, ask.model) == (Operation.REMIX, "video_1", "")


def test_the_headers_mark_retries() -> None:
    headers = {b"idempotency-key": b"order 66", b"x-stainless-retry-count": b"1"}

    said = read_context(headers, KeyId("key_1"))

    assert said == RequestContext(KeyId("key_1"), "", "order 66", is_retry=True)
    assert not read_context({b"x-stainless-retry-count": b"0"}, KeyId("")).is_retry
    assert not read_context({b"x-stainless-retry-count": b"00"}, KeyId("")).is_retry
    assert read_context({b"x-stainless-retry-count": b"9" * 5000}, KeyId("")).is_retry
    assert not read_context({b"x-stainless-retry-count": b"two"}, KeyId("")).is_retry


@pytest.mark.parametrize("key", [b"", b"x" * 256, b"a\x7f", "é".encode()])
def test_an_idempotency_key_is_printable_and_short(key: bytes) -> None:
    with pytest.raises(ApiError, match="Idempotency-Key"):
        read_context({b"idempotency-key": key}, KeyId(""))


def test_json_and_form_of_the_same_content_have_one_fingerprint() -> None:
    in_json = {
        **ORDER,
        "seconds": 8,
        "seed": 5,
        "sound": True,
        "meta": {"a": 1, "b": None},
        "input_reference": {"image_url": _DATA_URL},
        "characters": [{"id": "char_1"}],
    }
    in_form = {
        "characters": [{"id": "char_1"}],
        "input_reference": Upload("whatever.png", "image/png", PNG),
        "meta": {"a": "1"},
        "sound": "true",
        "seed": "5",
        "seconds": "8",
        **ORDER,
    }

    assert (
        parse.create_request(in_json, SAID).fingerprint
        == parse.create_request(in_form, SAID).fingerprint
    )


_content = st.fixed_dictionaries(
    {"model": st.sampled_from(["a", "b"]), "prompt": st.text("ab", min_size=1, max_size=2)},
    optional={
        "seconds": st.sampled_from(["4", "8"]),
        "size": st.sampled_from(["1x2", "2x1"]),
        "policy": st.sampled_from(["budget", "official"]),
        "input_reference": st.sampled_from(["http://a", "http://b"]),
        "extra": st.one_of(st.text("ab", max_size=2), st.lists(st.text("ab"), max_size=2)),
    },
)


@given(_content, _content)
def test_fingerprints_are_the_same_exactly_for_the_same_content(
    one: FieldTree, other: FieldTree
) -> None:
    first, second = parse.create_request(one, SAID), parse.create_request(other, SAID)

    assert (first.fingerprint == second.fingerprint) == (one == other)


def test_a_fingerprint_distinguishes_callers_and_operations() -> None:
    fields: FieldTree = {"prompt": "on", "video": "video_1", "seconds": "4"}
    prints = {
        parse.edit_request(fields, SAID).fingerprint,
        parse.extend_request(fields, SAID).fingerprint,
        parse.edit_request(fields, RequestContext(key=KeyId("key_2"))).fingerprint,
    }

    assert len(prints) == 3
    assert all(len(one) == hashlib.sha256().digest_size * 2 for one in prints)
