"""Modes and wordings of an operator's services."""

from collections.abc import Callable

import pytest

from tallylight.catalogue.services import Service
from tallylight.catalogue.wording import wording_for
from tallylight.config.settings import Configuration
from tallylight.errors import ConfigurationError
from tallylight.model.frames import Frame
from tallylight.model.ids import ServiceId
from tallylight.upstreams.protocols.registry import adapter_for

Load = Callable[..., Configuration]

HEAD = """
upstreams:
  relay: {provider: relay, base_url: https://relay.example/v1}
services:
"""
WIRED = """
  a:
    upstream: relay
    model: a
    access: reverse
    price: {per_second: 0.10}
    modes:
      - {inputs: [[first_frame]], seconds: [5], frames: {720p: [input]}}
      - inputs: [[]]
        seconds: [5, 10]
        frames: {720p: [16:9], 1080p: [16:9]}
        audio: [true, false]
    wire:
      model: {model: plain}
      seconds: {duration: integer}
      resolution: {quality: class}
      audio: {sound: on_off}
"""


def service(found: Configuration, name: str = "a") -> Service:
    return found.catalogue.services[ServiceId(name)]


def test_a_service_has_modes_and_a_probe_that_lies_in_one_of_them(load: Load) -> None:
    found = service(load(HEAD + WIRED))

    assert found.sheet.lengths == (5, 10)
    assert found.probe_order is not None
    assert (found.probe_order.seconds, found.probe_order.frame) == (5, Frame("720p", "16:9"))
    assert found.probe_order.inputs == ()


def test_an_adapter_knows_the_wording_of_a_service_and_its_own_for_others(load: Load) -> None:
    other = "  b: {upstream: relay, model: b, access: reverse}\n"
    found = load(HEAD + WIRED + other)

    spells = service(found).upstream.wordings
    features = adapter_for(service(found, "b").upstream).features

    assert set(spells) == {"a"}
    assert wording_for(features.wordings, "a") == spells["a"]
    assert wording_for(features.wordings, "b") == features.wordings["*"]


def test_a_choice_without_a_word_is_an_error(load: Load) -> None:
    with pytest.raises(ConfigurationError, match="has no word for seconds, of which there are sev"):
        load(HEAD + WIRED.replace("      seconds: {duration: integer}\n", ""))


def test_one_model_at_one_upstream_has_one_wording(load: Load) -> None:
    twin = WIRED.replace("  a:\n", "  b:\n").replace("duration: integer", "duration: text")

    with pytest.raises(ConfigurationError, match="spells a otherwise than another service there"):
        load(HEAD + WIRED + twin)


def test_modes_and_their_short_form_exclude_each_other(load: Load) -> None:
    with pytest.raises(ConfigurationError, match="lengths and sizes are the short form"):
        load(HEAD + WIRED.replace("    wire:\n", "    lengths: [5]\n    wire:\n"))


def test_the_wire_of_a_sheet_counts_only_at_an_upstream_of_its_protocol(load: Load) -> None:
    sheet = "fal/bytedance/seedance-2.0/text-to-video"
    head = HEAD.replace("/v1}", "/v1, dialect: new_api}")
    found = load(head + f"  a: {{upstream: relay, model: a, sheet: {sheet}}}\n")

    assert service(found).sheet.wire is None
    assert service(found).sheet.modes[0].audio == (True, False)


def test_a_model_of_fal_without_wire_is_an_error_since_fal_would_choose_what_is_billed(
    load: Load,
) -> None:
    queue = "  queue: {provider: queue, base_url: https://queue.example, protocol: fal}\n"
    head = HEAD.replace("services:\n", queue + "services:\n")

    with pytest.raises(ConfigurationError, match="needs `wire`: each model of this protocol has"):
        load(head + "  a: {upstream: queue, model: maker/film, access: official}\n")
