from collections.abc import AsyncGenerator

from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser

from tallylight.upstreams.bodies import EncodedBody, encode_body
from tallylight.upstreams.messages import FilePart, Phase, Request

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


async def parsed(body: EncodedBody) -> list[tuple[str, object]]:
    """Parse a body with an independent parser."""
    whole = b"".join([bytes(piece) async for piece in body.stream()])
    assert len(whole) == body.size

    async def stream() -> AsyncGenerator[bytes, None]:
        yield whole

    headers = Headers({"content-type": body.content_type})
    form = await MultiPartParser(headers, stream()).parse()
    return list(form.multi_items())


def posted(**more: object) -> EncodedBody:
    body = encode_body(Request(Phase.CREATE, "POST", "http://x.test/", **more))  # type: ignore[arg-type]
    assert body is not None
    return body


@given(fields=st.lists(st.tuples(NAMES, TEXTS), min_size=1, max_size=5))
async def test_a_form_preserves_any_fields(
    fields: list[tuple[str, str]],
) -> None:
    read = await parsed(posted(form=tuple(fields)))

    assert [value for _, value in read] == [value for _, value in fields]
    assert [name for name, _ in read] == [name.replace('"', "%22") for name, _ in fields]


@given(data=st.binary(max_size=2000), name=NAMES)
async def test_a_form_preserves_any_file(data: bytes, name: str) -> None:
    file = FilePart("input_reference", name, "image/png", data)

    (_, prompt), (label, read) = await parsed(posted(form=(("prompt", "boat"),), files=(file,)))

    assert (prompt, label) == ("boat", "input_reference")
    assert isinstance(read, UploadFile)
    assert (await read.read(), read.content_type) == (data, "image/png")


async def test_a_name_cannot_inject_a_header() -> None:
    file = FilePart('a"\r\nX: y', 'b"\r\nX: y', "image/png\r\nX: y", b"1")

    body = posted(files=(file,))

    assert b"\r\nX: y" not in b"".join(body.chunks)


async def test_a_large_file_is_streamed_in_chunks_without_a_copy() -> None:
    film = b"\0" * 5_000_000

    body = posted(files=(FilePart("video", "1.mp4", "video/mp4", film),))

    assert any(piece is film for piece in body.chunks)
    assert not body.is_small
    assert max([len(piece) async for piece in body.stream()]) <= 256 * 1024


def test_a_request_without_a_body_has_none() -> None:
    assert encode_body(Request(Phase.POLL, "GET", "http://x.test/")) is None
