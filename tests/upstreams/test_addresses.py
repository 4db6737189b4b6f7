import pytest

from tallylight.upstreams.addresses import resolved

BASE = "https://relay.example:8443/api/v1"


@pytest.mark.parametrize(
    ("address", "whole"),
    [
        (
            "https://cdn.example/a%2Fb.mp4?sig=a+b%20c~",
            "https://cdn.example/a%2Fb.mp4?sig=a+b%20c~",
        ),
        ("//cdn.example/a.mp4", "https://cdn.example/a.mp4"),
        ("/files/a%2fb.mp4?sig=%2B&x=", "https://relay.example:8443/files/a%2fb.mp4?sig=%2B&x="),
        ("files/a.mp4", "https://relay.example:8443/api/files/a.mp4"),
        ("./files/a.mp4", "https://relay.example:8443/api/files/a.mp4"),
        ("data:video/mp4;base64,AAAA", "data:video/mp4;base64,AAAA"),
    ],
)
def test_an_address_is_resolved_and_otherwise_left_as_it_is(address: str, whole: str) -> None:
    assert resolved(address, BASE) == whole


def test_a_base_without_a_path_is_a_folder() -> None:
    assert resolved("a.mp4", "http://relay.example") == "http://relay.example/a.mp4"
