"""Which requests come from another web site."""

from collections.abc import Mapping

import pytest

from tallylight.documents.web_origins import OwnAddresses, has_foreign_host, has_foreign_origin

LOCAL = OwnAddresses(is_loopback=True)
PUBLIC = OwnAddresses(is_loopback=False, public_url="https://status.example/x")
HERE = {b"host": b"127.0.0.1:8080"}


@pytest.mark.parametrize(
    ("host", "is_foreign"),
    [
        (b"127.0.0.1:8080", False),
        (b"[::1]:8080", False),
        (b"LOCALHOST", False),
        (b"tally.localhost:8080", False),
        (b"192.168.1.5", False),
        (b"", False),
        (b"evil.example:8080", True),
        (b"localhost.evil.example", True),
        (b"127.0.0.1.evil.example", True),
    ],
)
def test_a_name_that_is_not_this_machine_is_foreign_on_loopback(
    host: bytes, is_foreign: bool
) -> None:
    assert has_foreign_host({b"host": host}, LOCAL) is is_foreign
    assert not has_foreign_host({b"host": host}, OwnAddresses(is_loopback=False))


def test_the_host_of_the_public_address_is_ours() -> None:
    own = OwnAddresses(is_loopback=True, public_url="https://status.example/x")

    assert not has_foreign_host({b"host": b"status.example"}, own)


@pytest.mark.parametrize(
    ("headers", "is_foreign"),
    [
        ({}, False),
        ({b"origin": b"http://127.0.0.1:8080"}, False),
        ({b"origin": b"https://status.example"}, False),
        ({b"origin": b"http://127.0.0.1:3000"}, True),
        ({b"origin": b"null"}, True),
        ({b"origin": b"https://evil.example"}, True),
        ({b"origin": b"https://status.example.evil.example"}, True),
        ({b"origin": b"http://[::broken"}, True),
        ({b"sec-fetch-site": b"same-origin"}, False),
        ({b"sec-fetch-site": b"none"}, False),
        ({b"sec-fetch-site": b"cross-site"}, True),
        ({b"sec-fetch-site": b"cross-site", b"sec-fetch-mode": b"navigate"}, False),
    ],
)
def test_a_page_of_another_origin_is_foreign(
    headers: Mapping[bytes, bytes], is_foreign: bool
) -> None:
    assert has_foreign_origin({**HERE, **headers}, PUBLIC) is is_foreign


def test_an_origin_without_a_name_is_foreign_also_without_a_public_address() -> None:
    assert has_foreign_origin({**HERE, b"origin": b"null"}, LOCAL)
