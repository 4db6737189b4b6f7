"""A film inside an answer is found and kept, however large; the rest of the answer stays small."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallylight.upstreams.body_reader import BodyReader
from tallylight.upstreams.inline_files import InlineFile, inline_file
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.result_addresses import find_results

MIB = 1024 * 1024
SMALL = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 4
LARGE = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 4000


def plain(film: bytes) -> str:
    return base64.b64encode(film).decode()


SPELLINGS = [
    plain,
    lambda film: "data:video/mp4;base64," + plain(film),
    lambda film: "data:application/octet-stream;base64," + plain(film),
    lambda film: "data:text/plain; charset=utf-8;base64," + plain(film),
    lambda film: "data:;base64," + plain(film),
    lambda film: base64.urlsafe_b64encode(film).decode().rstrip("="),
    lambda film: base64.encodebytes(film).decode(),
    lambda film: "DATA:video/mp4;base64," + plain(film).replace("+", "%2B").replace("=", "%3d"),
]


def read(body: str, step: int) -> tuple[object, BodyReader]:
    reader, raw = BodyReader(MIB), body.encode()
    for start in range(0, len(raw), step):
        assert reader.feed(raw[start : start + step])
    return json.loads(reader.body), reader


def results(job: object, reader: BodyReader) -> tuple[object, ...]:
    assert isinstance(job, dict)
    reply = Reply(Phase.POLL, 200, {}, "", long_texts=reader.long_texts)
    return find_results(job, job, reply, "https://up.test/v1")


@pytest.mark.parametrize("film", [SMALL, LARGE])
@pytest.mark.parametrize("spell", SPELLINGS)
@pytest.mark.parametrize("escapes", [False, True])
@pytest.mark.parametrize("step", [997, 65_536, 10 * MIB])
def test_a_film_in_any_spelling_is_found_whole(
    film: bytes, spell: object, escapes: bool, step: int
) -> None:
    assert callable(spell)
    body = json.dumps({"data": [{"b64_json": spell(film)}], "note": 'a "b" \\', "url": "x"})
    if escapes:  # as PHP and Gson write it
        body = body.replace("/", "\\/").replace("+", "\\u002b").replace("=", "\\u003d")

    job, reader = read(body, step)

    assert isinstance(job, dict)
    assert job["note"] == 'a "b" \\'
    (file,) = results(job, reader)
    assert isinstance(file, InlineFile)
    assert b"".join(file.blocks()) == film
    assert len(reader.body) < 2 * len(SMALL) + 500


def test_a_long_picture_leaves_an_answer_readable() -> None:
    picture = base64.b64encode(b"\xff\xd8\xff" + bytes(3 * MIB)).decode()

    job, reader = read(json.dumps({"thumbnail": picture, "url": "https://c.test/a"}), 65_536)

    assert not reader.is_truncated
    assert results(job, reader) == ("https://c.test/a",)


def test_a_long_text_that_is_no_base64_stays_and_counts() -> None:
    reader = BodyReader(MIB)
    body = json.dumps({"log": "a b " * MIB}).encode()

    more = [reader.feed(body[start : start + 65_536]) for start in range(0, len(body), 65_536)]

    assert reader.is_truncated
    assert more[-1] is False
    assert (len(reader.body), reader.long_texts) == (MIB, ())


def test_what_is_no_json_is_not_searched() -> None:
    reader = BodyReader(MIB)

    reader.feed(b'data: {"b64_json": "' + b"A" * 100_000 + b'"}')

    assert (len(reader.body), reader.long_texts) == (100_022, ())


@pytest.mark.parametrize(
    "text",
    ["", "AAAA", "data:video/mp4;base64,", "data:text/html;base64,PGh0bWw+", plain(b"text" * 99)],
)
def test_other_texts_are_no_files(text: str) -> None:
    assert inline_file(text) is None


def test_broken_base64_is_an_error_and_no_shorter_film() -> None:
    file = InlineFile(plain(LARGE)[:-40_000] + "?" + plain(LARGE)[-40_000:])

    with pytest.raises(ValueError, match="broken base64"):
        b"".join(file.blocks())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["A" * 70_000, 'q"\\']),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    value=st.dictionaries(st.text(), JSON), step=st.integers(1, 100_000), ascii_only=st.booleans()
)
def test_all_other_texts_of_an_answer_stay_as_they_are(
    value: dict[str, object], step: int, ascii_only: bool
) -> None:
    job, reader = read(
        json.dumps(value, ensure_ascii=ascii_only).replace("\ud800", ""), max(step, 50)
    )

    marks = json.dumps(job).count("long-text:")

    assert marks == len(reader.long_texts)
    if not marks:
        assert job == value
