"""Names that are shown, addresses that were pasted, and paces that are too quick."""

from collections.abc import Callable

import pytest

from tallylight.catalogue.services import Feed
from tallylight.config.settings import Configuration
from tallylight.errors import ConfigurationError
from tallylight.model.ids import ServiceId

Load = Callable[..., Configuration]

UPSTREAM = "{provider: PROVIDER, base_url: https://ADDRESS/v1, key: x-1234}"
SERVICE = (
    "{upstream: UP, model: m, access: reverse, price: {per_call: 0.1}, lengths: [4], sizes: [720p]"
)


def upstream(provider: str, address: str = "a.example") -> str:
    return UPSTREAM.replace("PROVIDER", provider).replace("ADDRESS", address)


def service(up: str, name: str, more: str = "") -> str:
    return f'{SERVICE.replace("UP", up)}, name: "{name}"{more}}}'


def text_of(name: str = "Film", more: str = "", end: str = "") -> str:
    return f"upstreams:\n  u: {upstream('p')}\nservices:\n  s: {service('u', name, more)}\n{end}"


@pytest.mark.parametrize(
    "name",
    ["Veo\\x9b7m", "a\\x7f", "a\\rb", "a\\nb", "a\\u2028b", "\\u200b", " ", "a\\x0bb", "a\\u202eb"],
)
def test_a_name_that_cannot_be_shown_is_refused(load: Load, name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"services\.s\.name: "):
        load(text_of(name))


def test_a_title_that_cannot_be_shown_is_refused(load: Load) -> None:
    with pytest.raises(ConfigurationError, match=r"status\.title: contains the control character"):
        load(text_of(end='status: {title: "Video\\fpage"}\n'))


@pytest.mark.parametrize("name", ["影片 🎬", "Ärger", "👩‍💻 video"])
def test_a_name_in_any_script_is_taken(load: Load, name: str) -> None:
    assert load(text_of(name)).catalogue.services[ServiceId("s")].name == name


def test_services_of_one_name_are_told_apart(load: Load) -> None:
    found = load(
        f"upstreams:\n  u: {upstream('maker')}\n  v: {upstream('other', 'b.example')}\nservices:\n"
        f"  a: {service('u', 'Veo')}\n  b: {service('v', 'Veo')}\n  c: {service('v', 'Veo')}\n"
        f"  d: {service('v', 'Kling')}\n"
    ).catalogue.services

    names = [each.name for each in found.values()]
    assert names == ["Veo (maker)", "Veo (other) (b)", "Veo (other) (c)", "Kling"]


@pytest.mark.parametrize(
    ("pasted", "root"),
    [
        ("https://s.example/api/v2/summary.json", "https://s.example"),
        ("https://s.example/api/v2/", "https://s.example"),
        ("https://s.example/history.rss", "https://s.example"),
        ("https://s.example/history", "https://s.example"),
        ("https://s.example/video", "https://s.example/video"),
    ],
)
def test_the_path_of_a_pasted_feed_is_trimmed(load: Load, pasted: str, root: str) -> None:
    text = text_of().replace(
        "key: x-1234", f"key: x-1234, feed: {{format: statuspage, url: '{pasted}'}}"
    )

    feed = load(text).catalogue.services[ServiceId("s")].upstream.feed

    assert feed is not None
    assert feed.url == root


def test_the_address_of_a_feed_of_incidents_is_kept(load: Load) -> None:
    feed = "{format: rss, url: 'https://s.example/status/feed'}"

    found = load(text_of().replace("key: x-1234", f"key: x-1234, feed: {feed}"))

    page = found.catalogue.services[ServiceId("s")].upstream.feed
    assert page == Feed("rss", "https://s.example/status/feed")


@pytest.mark.parametrize(
    ("more", "end", "place"),
    [
        (", probes: {reach: 1s}", "", r"services\.s\.probes\.reach"),
        ("", "probes: {credentials: 4s}\n", r"probes\.credentials"),
    ],
)
def test_a_server_of_others_is_not_probed_more_often_than_every_five_seconds(
    load: Load, more: str, end: str, place: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"{place}: must be at least 5s"):
        load(text_of(more=more, end=end))
    own = text_of(more=more, end=end).replace("https://a.example", "http://127.0.0.1:9")
    assert load(own).catalogue.services
