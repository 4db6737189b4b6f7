"""Our signatures are those of Amazon's own library, for any request that an adapter can make."""

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from botocore import auth as amazon  # type: ignore[import-untyped]
from botocore.awsrequest import AWSRequest  # type: ignore[import-untyped]
from botocore.credentials import Credentials  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from tallylight.upstreams.auth import Wire
from tallylight.upstreams.aws_signature import AwsPairAuth

ACCESS_KEY, SECRET = (
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
)  # of its manual
NOW = datetime(2026, 11, 29, 9, 5, 7, tzinfo=UTC)

SEGMENTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).map(
    lambda text: quote(text, safe="").replace(".", "%2E")  # as `path_segment` writes them
)
WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).map(
    lambda text: quote(text, safe="")
)
HOSTS = st.sampled_from(
    [
        "https://bedrock-runtime.us-west-2.amazonaws.com",
        "https://BEDROCK.us-west-2.amazonaws.com:443",
        "https://[2001:db8::1]:8443",
        "http://127.0.0.1:8080",
        "http://127.0.0.1:80",
    ]
)
URLS = st.builds(
    lambda host, segments, query: (
        host
        + "".join(f"/{each}" for each in segments)
        + ("?" + "&".join(f"{name}={value}" for name, value in query) if query else "")
    ),
    HOSTS,
    st.lists(SEGMENTS, min_size=1, max_size=4),
    st.lists(st.tuples(WORDS.filter(bool), WORDS), max_size=4),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": st.sampled_from(["application/json", " text/plain;  charset=utf-8 "]),
        "X-Amz-Meta-A": st.sampled_from(["a", "b  c"]),
    },
)
CHUNKS = st.lists(st.binary(max_size=40), max_size=3).map(tuple)
_SIGNERS = {"s3": amazon.S3SigV4Auth, "bedrock": amazon.SigV4Auth}


def ours(wire: Wire, service: str, now: datetime = NOW) -> Mapping[str, str]:
    auth = AwsPairAuth(ACCESS_KEY, "us-west-2", service, escapes_twice=service != "s3")
    return auth.headers(wire, SECRET, now.timestamp())


def theirs(wire: Wire, service: str) -> Mapping[str, str]:
    """Return the headers of the same request as Amazon's library signs it, at the present time."""
    body_digest = ours(wire, service)["X-Amz-Content-Sha256"]
    headers = {**wire.headers, "X-Amz-Content-Sha256": body_digest}
    request = AWSRequest(wire.method, wire.url, headers, b"".join(wire.chunks))
    _SIGNERS[service](Credentials(ACCESS_KEY, SECRET), service, "us-west-2").add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@given(
    method=st.sampled_from(["GET", "POST"]),
    url=URLS,
    headers=HEADERS,
    chunks=CHUNKS,
    service=st.sampled_from(sorted(_SIGNERS)),
)
def test_a_signature_is_that_of_amazons_own_library(
    method: str, url: str, headers: dict[str, str], chunks: tuple[bytes, ...], service: str
) -> None:
    wire = Wire(method, url, headers, chunks)
    expected = theirs(wire, service)
    now = datetime.fromisoformat(expected["x-amz-date"])

    signed = ours(wire, service, now)

    assert {(name.lower(), value) for name, value in signed.items()} <= expected.items()


@pytest.mark.parametrize(
    "changed",
    [
        Wire("POST", "https://a.test/x?b=1", {}, (b"body",)),
        Wire("GET", "https://b.test/x?b=1", {}, (b"body",)),
        Wire("GET", "https://a.test/y?b=1", {}, (b"body",)),
        Wire("GET", "https://a.test/x?b=2", {}, (b"body",)),
        Wire("GET", "https://a.test/x?b=1", {"content-type": "text/plain"}, (b"body",)),
        Wire("GET", "https://a.test/x?b=1", {}, (b"other",)),
    ],
)
def test_a_signature_covers_all_of_a_request(changed: Wire) -> None:
    first = ours(Wire("GET", "https://a.test/x?b=1", {}, (b"body",)), "bedrock")

    assert ours(changed, "bedrock")["Authorization"] != first["Authorization"]


def test_a_body_in_chunks_is_signed_as_a_whole() -> None:
    wires = (Wire("POST", "https://a.test/", {}, each) for each in ((b"one", b"two"), (b"onetwo",)))

    first, second = (ours(each, "s3") for each in wires)

    assert first == second


def test_the_secret_is_in_no_header() -> None:
    assert SECRET not in repr(ours(Wire("GET", "https://a.test/"), "s3"))


def test_no_path_is_signed_as_the_root() -> None:
    bare, root = (ours(Wire("GET", f"https://a.test{path}"), "s3") for path in ("", "/"))

    assert bare == root
