import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tallylight.catalogue.services import Upstream
from tallylight.upstreams.messages import Phase, Request
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport
from tests.builders import order_of
from tests.upstreams.flows import check_request, submitted

Serve = Callable[..., Awaitable[str]]
MakeUpstream = Callable[..., Upstream]

JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


def whole(body: bytes, head: bytes = JSON_HEAD) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


async def hang(_: bytes, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def reset(_: bytes, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


def question(upstream: Upstream) -> Request:
    return check_request(adapter_for(upstream))


def file_question(upstream: Upstream) -> Request:
    """Return a question that may go to another server on this machine: a store of files."""
    return replace(question(upstream), phase=Phase.CONTENT)


async def test_an_answer_is_read_completely_and_timed(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, received: list[bytes]
) -> None:
    upstream = make_upstream(await serve(whole(b'{"data":[]}')))

    reply = await transport.send(question(upstream), upstream)

    assert (reply.status, reply.body, reply.error) == (200, '{"data":[]}', "")
    assert reply.headers["content-type"] == "application/json"
    assert reply.first_byte_seconds is not None
    assert 0 < reply.first_byte_seconds <= reply.seconds < 5
    assert received[0].startswith(b"GET /v1/models HTTP/1.1\r\n")
    assert b"Cookie" not in received[0]


SENT_PATHS = {
    "/videos/%2E%2E/content?a=%2F&b=%7e": "/videos/%2E%2E/content?a=%2F&b=%7e",
    "/videos/%2e": "/videos/%2e",
    "/图 1.png": "/%E5%9B%BE%201.png",
}


@pytest.mark.parametrize("path", SENT_PATHS)
async def test_a_url_is_sent_as_it_is_written(
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    received: list[bytes],
    path: str,
) -> None:
    upstream = make_upstream(await serve(whole(b"{}")))
    for url in (f"{upstream.base_url}{path}", path):  # a path is below the base URL
        await transport.send(replace(question(upstream), url=url), upstream)

    sent = f"GET /v1{SENT_PATHS[path]} HTTP/1.1\r\n".encode()
    assert [request.startswith(sent) for request in received] == [True, True]


@pytest.mark.parametrize("dialect", ["openai", "new_api"])
async def test_a_create_is_sent_as_form_or_json(
    serve: Serve,
    make_upstream: MakeUpstream,
    transport: Transport,
    received: list[bytes],
    dialect: str,
) -> None:
    upstream = make_upstream(await serve(whole(b"{}")), dialect=dialect)

    await transport.send(submitted(upstream, order_of("纸船", 4, "1280x720")), upstream)

    head, _, body = received[0].partition(b"\r\n\r\n")
    if dialect == "new_api":
        assert json.loads(body)["prompt"] == "纸船"
    else:
        assert b"Content-Type: multipart/form-data; boundary=" in head
        assert b'name="prompt"' in body
        assert "纸船".encode() in body


async def test_a_request_to_an_unresolved_name_was_not_sent(
    make_upstream: MakeUpstream, transport: Transport
) -> None:
    upstream = make_upstream("http://no-such-host.invalid/v1")

    reply = await transport.send(question(upstream), upstream)

    assert (reply.status, reply.was_sent) == (None, False)
    assert reply.error.startswith("gaierror: ")


async def test_a_request_over_a_refused_connection_was_not_sent(
    make_upstream: MakeUpstream, transport: Transport
) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    upstream = make_upstream(f"http://127.0.0.1:{port}/v1")

    reply = await transport.send(question(upstream), upstream)

    assert (reply.status, reply.was_sent) == (None, False)
    assert reply.error.startswith("ConnectionRefusedError: [Errno 111]")


async def test_silence_ends_at_the_upstreams_timeout_in_doubt(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    upstream = make_upstream(await serve(hang), timeout=0.2)

    reply = await transport.send(question(upstream), upstream)

    assert (reply.status, reply.was_sent) == (None, True)
    assert reply.error == "TimeoutError: no answer within 0.2 s"
    assert reply.seconds < 2


async def test_a_request_over_a_hanging_handshake_was_not_sent(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    plain = await serve(hang)
    upstream = make_upstream(plain.replace("http://", "https://"), timeout=0.2)

    reply = await transport.send(question(upstream), upstream)

    assert (reply.status, reply.was_sent) == (None, False)
    assert reply.error == "TimeoutError: no connection within 0.2 s"


async def test_a_slow_answer_ends_at_the_timeout_with_its_part(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    async def trickle(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(JSON_HEAD + b'Content-Length: 100\r\n\r\n{"data":')
        await writer.drain()
        await asyncio.Event().wait()

    upstream = make_upstream(await serve(trickle), timeout=0.3)

    reply = await transport.send(question(upstream), upstream)

    assert (reply.status, reply.body) == (200, '{"data":')
    assert reply.error == "TimeoutError: no end of the answer within 0.3 s"


async def test_a_reset_leaves_the_request_in_doubt(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    upstream = make_upstream(await serve(reset), dialect="new_api")

    reply = await transport.send(submitted(upstream), upstream)

    assert (reply.status, reply.was_sent) == (None, True)
    assert reply.error


async def test_a_create_is_never_sent_twice(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, received: list[bytes]
) -> None:
    upstream = make_upstream(await serve(reset))

    await transport.send(submitted(upstream), upstream)

    assert len(received) == 1


async def test_half_a_document_is_an_answer_that_broke_off(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    raw = JSON_HEAD + b'Content-Length: 4000\r\n\r\n{"object":"list","da'
    upstream = make_upstream(await serve(raw))

    reply = await transport.send(question(upstream), upstream)

    assert (reply.status, reply.body) == (200, '{"object":"list","da')
    assert reply.error.startswith("ClientPayloadError: ")


async def test_a_page_of_five_megabytes_is_cut(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
    page = b"<html>" + b"x" * 5_000_000
    upstream = make_upstream(await serve(whole(page, head)))

    reply = await transport.send(question(upstream), upstream)

    assert (reply.status, reply.truncated, reply.error) == (200, True, "")
    assert len(reply.body) == 1024 * 1024


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 abc nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        b"\x00\xff\x00\xff",
        b"",
    ],
)
async def test_an_answer_that_is_not_http_is_an_error_value(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, raw: bytes
) -> None:
    upstream = make_upstream(await serve(raw))

    reply = await transport.send(question(upstream), upstream)

    assert reply.error
    assert ": " in reply.error


async def test_a_body_that_is_no_utf8_is_read_with_replacement(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    upstream = make_upstream(await serve(whole(b'\xef\xbb\xbf{"a":"\xff"}')))

    reply = await transport.send(question(upstream), upstream)

    assert reply.body == '{"a":"\N{REPLACEMENT CHARACTER}"}'


@pytest.mark.parametrize("address", ["htp://x/v1", "http://", "http://[bad/v1", "nonsense", ""])
async def test_a_wrong_url_is_an_error_value_and_not_sent(
    make_upstream: MakeUpstream, transport: Transport, address: str
) -> None:
    upstream = make_upstream(address)

    reply = await transport.send(Request(Phase.REACH, "GET", address), upstream)

    assert (reply.status, reply.was_sent) == (None, False)
    assert reply.error


async def test_an_upstream_that_repeats_our_key_does_not_get_it_into_a_reply(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport, planted_key: str
) -> None:
    body = b'{"error":{"message":"Incorrect API key provided: %s"}}' % planted_key.encode()
    head = b"HTTP/1.1 401 No\r\nX-Echo: %s\r\n" % planted_key.encode()
    upstream = make_upstream(await serve(whole(body, head)))

    reply = await transport.send(question(upstream), upstream)

    assert reply.status == 401
    assert planted_key not in repr(reply)


class TestRedirects:
    async def test_are_followed_for_a_get_with_the_key_to_the_same_host(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        received: list[bytes],
        planted_key: str,
    ) -> None:
        async def twice(request: bytes, writer: asyncio.StreamWriter) -> None:
            moved = b"HTTP/1.1 302 Found\r\nLocation: /v1/elsewhere\r\nContent-Length: 0\r\n\r\n"
            writer.write(moved if b"/v1/models" in request else whole(b"{}"))

        upstream = make_upstream(await serve(twice))

        reply = await transport.send(question(upstream), upstream)

        assert (reply.status, reply.body) == (200, "{}")
        assert [planted_key.encode() in request for request in received] == [True, True]

    async def test_to_another_host_drop_the_key(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        received: list[bytes],
        planted_key: str,
    ) -> None:
        other = await serve(whole(b'{"data":[]}'))
        moved = f"HTTP/1.1 307 T\r\nLocation: {other}/models\r\nContent-Length: 0\r\n\r\n"
        upstream = make_upstream(await serve(moved.encode()))

        reply = await transport.send(file_question(upstream), upstream)

        assert reply.status == 200
        assert [planted_key.encode() in request for request in received] == [True, False]

    async def test_back_to_the_first_host_send_the_key_again(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        received: list[bytes],
        planted_key: str,
    ) -> None:
        addresses: list[str] = []

        async def first_host(request: bytes, writer: asyncio.StreamWriter) -> None:
            moved = f"HTTP/1.1 302 F\r\nLocation: {addresses[1]}\r\nContent-Length: 0\r\n\r\n"
            writer.write(moved.encode() if b"/v1/models" in request else whole(b"{}"))

        async def other_host(_: bytes, writer: asyncio.StreamWriter) -> None:
            back = f"HTTP/1.1 302 F\r\nLocation: {addresses[0]}/end\r\nContent-Length: 0\r\n\r\n"
            writer.write(back.encode())

        addresses += [await serve(first_host), await serve(other_host)]
        upstream = make_upstream(addresses[0])

        reply = await transport.send(file_question(upstream), upstream)

        assert reply.status == 200
        assert [planted_key.encode() in request for request in received] == [True, False, True]

    async def test_in_a_circle_end_after_five(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        received: list[bytes],
    ) -> None:
        circle = b"HTTP/1.1 302 Found\r\nLocation: /v1/models\r\nContent-Length: 0\r\n\r\n"
        upstream = make_upstream(await serve(circle))

        reply = await transport.send(question(upstream), upstream)

        assert (reply.status, len(received)) == (None, 6)
        assert reply.error.startswith("RedirectError: ")
        assert "more than 5 redirects" in reply.error

    @pytest.mark.parametrize("place", ["file:///etc/passwd", "http://[bad", "javascript:1"])
    async def test_to_no_url_are_an_error_value(
        self, serve: Serve, make_upstream: MakeUpstream, transport: Transport, place: str
    ) -> None:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n"
        upstream = make_upstream(await serve(moved.encode()))

        reply = await transport.send(question(upstream), upstream)

        assert reply.status is None
        assert reply.error.startswith("RedirectError: ")

    async def test_of_a_create_are_not_followed(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        received: list[bytes],
    ) -> None:
        moved = b"HTTP/1.1 307 T\r\nLocation: /v2/videos\r\nContent-Length: 0\r\n\r\n"
        upstream = make_upstream(await serve(moved))

        reply = await transport.send(submitted(upstream), upstream)

        assert (reply.status, len(received)) == (307, 1)


class TestCertificates:
    @pytest.fixture
    def ca_file(self, authority: trustme.CA, tmp_path: Path) -> str:
        path = tmp_path / "ca.pem"
        authority.cert_pem.write_to_path(path)
        return str(path)

    @staticmethod
    def context(certificate: trustme.LeafCert) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        return context

    async def test_of_a_configured_authority_are_accepted(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        authority: trustme.CA,
        ca_file: str,
    ) -> None:
        tls = self.context(authority.issue_cert("127.0.0.1"))
        url = await serve(whole(b"{}"), tls=tls)
        upstream = make_upstream(url, ca_file=ca_file)

        reply = await transport.send(question(upstream), upstream)

        assert (reply.status, reply.error) == (200, "")

    async def test_of_an_unknown_authority_are_refused_before_anything_is_sent(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        authority: trustme.CA,
        received: list[bytes],
    ) -> None:
        tls = self.context(authority.issue_cert("127.0.0.1"))
        upstream = make_upstream(await serve(whole(b"{}"), tls=tls))

        reply = await transport.send(question(upstream), upstream)

        assert (reply.status, reply.was_sent, received) == (None, False, [])
        assert reply.error.startswith("SSLCertVerificationError: ")

    async def test_that_have_expired_are_named_so(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        authority: trustme.CA,
        ca_file: str,
    ) -> None:
        past = datetime(2020, 1, 1, tzinfo=UTC)
        expired = authority.issue_cert(
            "127.0.0.1", not_before=past, not_after=past + timedelta(days=1)
        )
        url = await serve(whole(b"{}"), tls=self.context(expired))
        upstream = make_upstream(url, ca_file=ca_file)

        reply = await transport.send(question(upstream), upstream)

        assert (reply.status, reply.was_sent) == (None, False)
        assert "certificate has expired" in reply.error

    async def test_for_another_name_are_refused(
        self,
        serve: Serve,
        make_upstream: MakeUpstream,
        transport: Transport,
        authority: trustme.CA,
        ca_file: str,
    ) -> None:
        tls = self.context(authority.issue_cert("another.example"))
        upstream = make_upstream(await serve(whole(b"{}"), tls=tls), ca_file=ca_file)

        reply = await transport.send(question(upstream), upstream)

        assert (reply.status, reply.was_sent) == (None, False)

    async def test_whose_authority_file_is_missing_are_an_error_value(
        self, make_upstream: MakeUpstream, transport: Transport
    ) -> None:
        upstream = make_upstream("https://127.0.0.1:9/v1", ca_file="/no/such/file.pem")

        reply = await transport.send(question(upstream), upstream)

        assert (reply.status, reply.was_sent) == (None, False)
        assert "No such file" in reply.error


async def test_connections_are_reused(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    async def two_answers(_: bytes, writer: asyncio.StreamWriter) -> None:
        # The second request on this connection is answered without being read.
        writer.write(whole(b'"first"'))
        await writer.drain()
        await asyncio.Event().wait()

    upstream = make_upstream(await serve(two_answers), timeout=0.2)

    first = await transport.send(question(upstream), upstream)
    second = await transport.send(question(upstream), upstream)

    assert first.body == '"first"'
    assert second.error == "TimeoutError: no answer within 0.2 s"


async def test_cancellation_passes_through(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    arrived = asyncio.Event()

    async def note(_: bytes, __: asyncio.StreamWriter) -> None:
        arrived.set()
        await asyncio.Event().wait()

    upstream = make_upstream(await serve(note))
    task = asyncio.create_task(transport.send(question(upstream), upstream))
    await arrived.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_of_a_poll_whose_answer_is_the_film_only_the_head_is_read(
    serve: Serve, make_upstream: MakeUpstream, transport: Transport
) -> None:
    async def begin(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(JSON_HEAD + b"Content-Length: 300000000\r\n\r\n")
        writer.write(b"\0\0\0\x18ftypmp42" + bytes(1000))
        await asyncio.Event().wait()

    upstream = make_upstream(await serve(begin))

    reply = await transport.send(replace(question(upstream), phase=Phase.POLL), upstream)

    assert (reply.status, reply.media_type, reply.body) == (200, "video/mp4", "")
    assert reply.is_whole
