"""What answers at an address is found by free questions alone."""

from collections.abc import AsyncIterator, Mapping
from urllib.parse import urlsplit, urlunsplit

import pytest
import pytest_asyncio

from tallylight.catalogue import facts
from tallylight.catalogue.sheets import BuiltInUpstream
from tallylight.discovery.candidates import ApiKey, KnownApis, models_to_ask_for
from tallylight.discovery.proof import Proof
from tallylight.discovery.search import MOST_QUESTIONS, FoundApi, find_api
from tallylight.documents.secret import Secret
from tallylight.simulator.protocols.registry import TWINS
from tallylight.upstreams.protocols.registry import PROTOCOLS, adapter_for
from tests.contract.servers import listening, response
from tests.contract.services import EMPTY, FIRST_OF_DIALECT, SCENARIO
from tests.contract.site import Place, Site, running_place

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRONG = ApiKey(Secret("sk-of-another-caller-with-32-characters"))
PROFILES = facts.built_in_upstreams()

_ONLY_AT_HOME = {"fal", "venice"}
"""One denies whatever it is asked alike; the check of the other is no GET."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place() -> AsyncIterator[Place]:
    async with running_place(100.0) as place:
        yield place
        assert not place.world.ledger.entries


def key_of(site: Site, end: str = "") -> ApiKey:
    """Return a key of a twin as its maker gives it out."""
    keys = SCENARIO.upstreams[str(site.upstream.id)].keys
    key = next((each for each in keys if each.key.endswith(end)), keys[0])
    settings = TWINS[site.upstream.protocol].client_settings(key, site.upstream.base_url)
    options = settings.get("options", {})
    assert isinstance(options, Mapping)
    is_pair = "access_key" in options
    told = {name: str(each) for name, each in options.items()} if is_pair else {}
    return ApiKey(Secret(str(settings["key"])), told)


async def searched(
    site: Site,
    address: str = "",
    key: ApiKey | None = None,
    profiles: Mapping[str, BuiltInUpstream] = PROFILES,
) -> FoundApi:
    """Search an address of a twin, where its model is one that is asked for."""
    models = {**models_to_ask_for(facts.fact_sheets().values(), PROFILES, "")}
    known = KnownApis(PROTOCOLS, {**models, site.upstream.protocol: site.service.model}, profiles)
    address = address or site.upstream.base_url
    found = await find_api(address, key or key_of(site), known, site.transport)
    assert found.question_count <= MOST_QUESTIONS
    return found


def spoken(found: FoundApi) -> list[tuple[str, str]]:
    """Return what may be spoken, the likeliest first."""
    return [(each.protocol, each.dialect) for each in found.upstreams]


def has_free_check(site: Site) -> bool:
    return not adapter_for(site.upstream).features.check_may_bill


each_twin = pytest.mark.parametrize(
    "name",
    [pytest.param(each, id="-".join(of)) for of, each in FIRST_OF_DIALECT.items()],
)
each_twin_elsewhere = pytest.mark.parametrize(
    "name",
    [
        pytest.param(each, id="-".join(of))
        for of, each in FIRST_OF_DIALECT.items()
        if of[0] not in _ONLY_AT_HOME
    ],
)


@each_twin_elsewhere
async def test_what_is_spoken_at_an_address_is_found(place: Place, name: str) -> None:
    site = place.site(name)

    found = await searched(site)

    own = (site.upstream.protocol, site.upstream.dialect)
    assert found.problem == ""
    assert own in spoken(found) or not has_free_check(site), found
    assert own[0] in {protocol for protocol, _ in spoken(found)}
    assert {each.base_url for each in found.upstreams} == {site.upstream.base_url}


@each_twin
async def test_a_host_that_a_profile_names_is_asked_for_that_alone(place: Place, name: str) -> None:
    site = place.site(name)
    upstream = site.upstream
    profile = BuiltInUpstream(
        title="Ours",
        base_url=upstream.base_url,
        protocol=upstream.protocol,
        dialect=upstream.dialect,
        key_variable="OUR_KEY",
    )

    found = await searched(site, profiles={"ours": profile})

    if has_free_check(site):
        assert spoken(found) == [(upstream.protocol, upstream.dialect)]
        assert found.upstreams[0].provider == "ours"
        assert found.question_count <= 6


@each_twin
async def test_a_wrong_key_is_told_in_one_sentence(place: Place, name: str) -> None:
    site = place.site(name)

    found = await searched(site, key=WRONG)

    assert found.upstreams == ()
    assert found.problem == f"the API at {site.upstream.base_url} refuses the key"


@pytest.mark.parametrize("protocol", ["ark", "dashscope", "luma", "openrouter", "pixverse", "xai"])
async def test_the_path_is_found(place: Place, protocol: str) -> None:
    site = place.site(FIRST_OF_DIALECT[protocol, PROTOCOLS[protocol].dialects[-1]])
    base = urlsplit(site.upstream.base_url)
    root = urlunsplit(base._replace(path="/".join(base.path.split("/")[:2])))

    for address in (root, f"{site.upstream.base_url}/videos/", f"{site.upstream.base_url}/a/b"):
        found = await searched(site, address)

        assert found.upstreams[0].base_url == site.upstream.base_url
        assert found.upstreams[0].protocol == protocol


async def test_a_question_that_few_protocols_ask_proves_more(place: Place) -> None:
    found = await searched(place.site(FIRST_OF_DIALECT["xai", "xai"]))

    assert [protocol for protocol, _ in spoken(found)][:3] == ["xai", "xai_images", "openai_videos"]


async def test_an_empty_account_is_told_and_its_api_found(place: Place) -> None:
    site = place.site(FIRST_OF_DIALECT["vidu", "vidu"])

    found = await searched(site, key=key_of(site, EMPTY))

    assert spoken(found) == [("vidu", "vidu")]
    assert found.fits[0].proof is Proof.NO_MONEY
    assert found.problem.startswith(f"the API at {site.upstream.base_url} knows the key")


async def test_a_page_is_no_api(place: Place) -> None:
    site = place.site(FIRST_OF_DIALECT["xai", "xai"])
    async with listening(lambda _: response(200, "<html>", "content-type: text/html")) as server:
        found = await searched(site, f"{server.url}/docs")

    assert found.upstreams == ()
    assert found.problem == (
        f"no API that is known here answers at {server.url}/docs; write the address of its manual"
    )
    assert all(each.startswith("GET ") for each in server.received)


async def test_a_host_that_is_down_is_asked_once(place: Place) -> None:
    site = place.site(FIRST_OF_DIALECT["xai", "xai"])

    found = await searched(site, f"{place.world.refusing_url}/v1")

    assert found.upstreams == ()
    assert " does not answer: " in found.problem
    assert found.question_count == 1


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("http://api.example.com/v1", "would send the key unencrypted; use https"),
        ("https://", "is not an address; write https://host/path"),
        ("https://a.example.com/v1?key=1", "must not contain a user, password, ? or #"),
    ],
)
async def test_no_key_is_sent_to_a_strange_address(
    place: Place, address: str, problem: str
) -> None:
    found = await searched(place.site(FIRST_OF_DIALECT["xai", "xai"]), address)

    assert problem in found.problem
    assert found.question_count == 0
