"""Whatever a caller sends, a service bills no more than the gateway has reserved."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from types import MappingProxyType

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tallylight.catalogue.services import Service
from tallylight.gateway.http import parse
from tallylight.gateway.http.forms import FieldTree
from tallylight.gateway.http.parse import RequestContext
from tallylight.gateway.requests import ApiError, CreateRequest
from tallylight.gateway.routing.candidates import fitter_for
from tallylight.gateway.routing.ordering import rank
from tallylight.gateway.routing.ranking import Candidate, Choice
from tallylight.gateway.routing.routes import Route
from tallylight.model.money import Price, PriceUnit
from tallylight.model.wish import Wish
from tallylight.simulator.outcomes import reading_price
from tallylight.simulator.protocols.openai_videos import VIDEO_DIALECTS
from tallylight.simulator.protocols.request_fields import RequestFields
from tallylight.simulator.reading import sized_reading
from tallylight.simulator.scenario import ScenarioPrice
from tallylight.upstreams.protocols.registry import adapter_for
from tests.builders import priced_service

MakeCandidate = Callable[..., Candidate]

RATES = MappingProxyType({"360p": "0.02", "720p": "0.10", "1080p": "0.20", "*": "0.50"})
MEASURES = """
seconds Seconds duration DURATION durationSeconds length n N count num_videos sampleCount size Size
resolution width height aspect_ratio ratio fps num_frames quality mode num_outputs_per_prompt
"""
PLACES = "metadata Metadata parameters extra_body extra_params seed style negative_prompt"
NAMES = st.sampled_from((MEASURES + PLACES).split())
TEXTS = "1 4 15 15s 4.0 720p 1080P 4k 1280x720 1920x1080 1920:1080 1920*1080 1280×720 16:9 9:16 hd"
OTHERS = (" 15 ", "15.0", "1920 x 1080", "a --dur 15", 1, 2, 4, 15, 360, 480, -1, None, "", True)
VALUES = st.sampled_from([*TEXTS.split(), *OTHERS, 15.0])


def json_text(tree: dict[str, object]) -> str:
    return json.dumps(tree)


TREES = st.recursive(
    st.dictionaries(NAMES, VALUES, max_size=3),
    lambda inner: st.dictionaries(
        NAMES, VALUES | inner | inner.map(json_text) | st.lists(inner, max_size=2), max_size=4
    ),
    max_leaves=6,
)
PROMPTS = st.sampled_from(["a boat", "a boat --dur 15", "a boat --resolution 1080p"])


def relay(dialect: str) -> Service:
    """Return a service of any length and size, at a price by the second and resolution."""
    service = priced_service()
    rates = {name: Decimal(rate) for name, rate in RATES.items()}
    sheet = replace(service.sheet, modes=(), price=Price(PriceUnit.PER_SECOND, rates))
    return replace(service, upstream=replace(service.upstream, dialect=dialect), sheet=sheet)


def billed(choice: Choice) -> Decimal:
    """Return what the simulated service bills for the request that the gateway sends to it."""
    upstream = choice.service.upstream
    request = adapter_for(upstream).submit(choice.order, "")
    values = json.loads(request.json) if request.json else dict(request.form)
    read = VIDEO_DIALECTS[upstream.dialect]().measured(RequestFields(values, not request.json))
    size, seconds = read.fields.values["size"], read.fields.values["seconds"]
    price = ScenarioPrice.model_validate({"unit": "per_second", "rates": dict(RATES)})
    made = sized_reading("a boat", str(size), int(str(seconds)), "m")
    return reading_price(price, replace(made, count=read.count))


def spoken(make_candidate: MakeCandidate, dialect: str) -> Candidate:
    """Return a relay as a candidate whose orders are spelled in its dialect."""
    service = relay(dialect)
    return replace(make_candidate(service), fitter=fitter_for(service))


def choices(request: CreateRequest, candidate: Candidate) -> tuple[Choice, ...]:
    """Return how the gateway would send a request."""
    wish = Wish(request.prompt, measures=request.measures, extras=request.extras)
    route = Route("r", (candidate.service.id,))
    return rank(wish, route, [candidate], is_limited=True).choices


@pytest.mark.parametrize("dialect", ["new_api", "vllm_omni", "sglang"])
@settings(max_examples=300)
@given(fields=TREES, prompt=PROMPTS)
@example(fields={"duration": 15}, prompt="a boat")
@example(fields={"seconds": "4", "Duration": 15}, prompt="a boat")
@example(fields={"seconds": "4", "metadata": {"duration": 15}}, prompt="a boat")
@example(fields={"metadata": '{"parameters": {"duration": 15}}'}, prompt="a boat")
@example(fields={"seconds": "4", "n": 4}, prompt="a boat")
@example(fields={"extra_params": '{"num_frames": 360}'}, prompt="a boat")
@example(fields={"seconds": "4"}, prompt="a boat --dur 15")
def test_no_more_is_billed_than_reserved(
    make_candidate: MakeCandidate, dialect: str, fields: FieldTree, prompt: str
) -> None:
    candidate = spoken(make_candidate, dialect)

    with suppress(ApiError):  # a refused request costs nothing
        request = parse.create_request({"prompt": prompt, **fields}, RequestContext())
        for choice in choices(request, candidate):
            assert billed(choice) <= choice.cost


@pytest.mark.parametrize(
    "fields",
    [
        {"duration": 15, "resolution": "1080p"},
        {"seconds": "8", "seed": 7, "negative_prompt": "rain", "style": "ink"},
        {
            "seconds": "8",
            "metadata": {"generate_audio": True, "user": "u1"},
            "aspect_ratio": "9:16",
        },
    ],
)
def test_what_can_be_reckoned_is_sent_and_billed_as_reserved(
    make_candidate: MakeCandidate, fields: FieldTree
) -> None:
    request = parse.create_request({"prompt": "a boat", **fields}, RequestContext())

    (choice,) = choices(request, spoken(make_candidate, "new_api"))

    assert billed(choice) == choice.cost
