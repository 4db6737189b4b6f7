"""The contract of every protocol, over HTTP, at the simulator's independent implementation."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.clock import SystemClock
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.jobs import JobRef
from tallylight.model.order import Form, Input, Operation
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.files import load_scenario
from tallylight.simulator.protocols.openai_videos import VIDEO_DIALECTS
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation
from tallylight.upstreams.acceptance import InDoubt, Refused, Submission
from tallylight.upstreams.client import UpstreamClient, run_flow
from tallylight.upstreams.messages import Request
from tallylight.upstreams.protocol import FIRST_FRAME, Adapter, Doubt
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Accepted, Done, Failed, Missing, Page, Working
from tallylight.upstreams.time_limits import SendBudget
from tallylight.upstreams.transport import Transport
from tests.builders import order_of
from tests.upstreams.flows import MARK

SPEED = 50.0  # scenario seconds to a real one: a job of 4 s takes 80 ms
CLOCK = SystemClock()
OWN_SERVERS = Path(__file__).parents[1] / "data" / "own-servers.yaml"

# Each row is a dialect of the simulator: upstream, service.
DIALECTS = [
    pytest.param("openai", "sora-2-official", id="openai_videos-openai"),
    pytest.param("relay-b", "veo-3.1-reverse", id="openai_videos-new_api"),
    pytest.param("own-vllm", "wan-on-vllm", id="openai_videos-vllm_omni"),
    pytest.param("own-sglang", "wan-on-sglang", id="openai_videos-sglang"),
    pytest.param("relay-a", "sora-2-reverse", id="chat_video-sora2api"),
    pytest.param("relay-a", "gpt-image-reverse", id="chat_video-sora2api-image"),
]


LISTING = {"openai_videos-openai", "openai_videos-vllm_omni", "openai_videos-sglang"}


@dataclass(slots=True)
class Site:
    """One service of a simulated world, and a client of it."""

    world: Simulation
    service: str
    upstream: Upstream
    transport: Transport

    @property
    def adapter(self) -> Adapter:
        return adapter_for(self.upstream)

    @property
    def client(self) -> UpstreamClient:
        return UpstreamClient(self.transport)

    @property
    def model(self) -> str:
        return self.world.scenario.services[self.service].model

    def trouble(self, **trouble: object) -> None:
        self.world.override_faults(self.service, (FAULT_ADAPTER.validate_python(trouble),))

    async def check(self, model: str) -> Accepted | Failure | None:
        ran = await run_flow(self.adapter.check(model), self.upstream, self.transport)
        return ran.failure or ran.value

    async def create(self, prompt: str = "a paper boat", **more: object) -> Submission:
        part = self.world.scenario.services[self.service]
        length = part.lengths[0] if part.lengths else None
        order = order_of(prompt, length, part.sizes[0], model=self.model, **more)
        request = self.adapter.submit(order, MARK)
        budget = SendBudget(CLOCK.boottime(), self.upstream.timeout, self.upstream.timeout)
        if self.adapter.reader is None:
            return await self.client.create(request, order, self.upstream, budget)
        async with self.client.stream(request, self.upstream, budget) as stream:
            async for _ in stream:
                pass
        return stream.result(order)

    async def accepted(self, **more: object) -> JobRef:
        said = await self.create(**more)  # type: ignore[arg-type]  # fields of an order
        assert isinstance(said, Accepted)
        return said.job

    async def finish(self, said: Accepted) -> Done | Failed:
        step = said.step
        while isinstance(step, Working):
            await CLOCK.sleep(timedelta(milliseconds=20))
            polled = await self.client.poll(said.job, self.upstream)
            assert isinstance(polled, Working | Done | Failed), polled
            step = polled
        return step

    async def made(self, prompt: str = "a paper boat", **more: object) -> tuple[JobRef, Done]:
        """Return a job that was ordered, and what it made."""
        said = await self.create(prompt, **more)
        assert isinstance(said, Accepted), said
        end = await self.finish(said)
        assert isinstance(end, Done), end
        return said.job, end

    async def why(self, prompt: str = "a paper boat") -> Failure:
        """Return the failure of a create or of its job."""
        said = await self.create(prompt)
        if isinstance(said, Accepted):
            end = await self.finish(said)
            assert isinstance(end, Failed)
            return end.failure
        return said.failure


@pytest.fixture
async def worlds() -> AsyncIterator[tuple[Simulation, ...]]:
    async with (
        serve_simulation(load_scenario("calm"), speed=SPEED) as calm,
        serve_simulation(load_scenario(str(OWN_SERVERS)), speed=SPEED) as own,
    ):
        yield calm, own


@pytest.fixture
def at(
    worlds: tuple[Simulation, ...], transport: Transport, make_upstream: Callable[..., Upstream]
) -> Callable[..., Site]:
    def at(upstream: str, service: str, **more: object) -> Site:
        world = next(world for world in worlds if upstream in world.scenario.upstreams)
        part = world.scenario.upstreams[upstream]
        settings: Mapping[str, object] = {
            "protocol": part.protocol,
            "dialect": part.dialect,
            "key": part.keys[0].key,
            **more,
        }
        return Site(world, service, make_upstream(world.base_urls[upstream], **settings), transport)

    return at


At = Callable[..., Site]
everywhere = pytest.mark.parametrize(("upstream", "service"), DIALECTS)


@everywhere
async def test_the_api_responds_without_a_key(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service)

    reply = await site.transport.send(site.adapter.reach(site.model), site.upstream)

    assert reply.status is not None
    assert site.adapter.errors.of(reply) is None


@everywhere
async def test_a_valid_key_and_model_are_accepted_for_free(
    at: At, upstream: str, service: str
) -> None:
    site = at(upstream, service)

    assert await site.check(site.model) is None
    assert site.world.jobs == {}


@everywhere
async def test_a_wrong_key_is_our_own_fault(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service, key="sk-another-callers-0000")

    failure = await site.check(site.model)

    assert isinstance(failure, Failure)
    assert (failure.kind, failure.fault) == (FailureKind.AUTH, Fault.OURS)


@everywhere
async def test_a_removed_model_is_found_for_free(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service)
    site.trouble(kind="retire")

    assert isinstance(await site.check("gone-1"), Failure)


@everywhere
async def test_a_job_is_polled_until_its_video_is_on_disk(
    at: At, upstream: str, service: str, tmp_path: Path
) -> None:
    site = at(upstream, service)
    target = tmp_path / "delivery"

    _, end = await site.made()

    assert end.made.model in {"", site.model}
    way = end.outputs[0]
    assert way.is_sold
    assert isinstance(way.at, Request)
    reply = await site.transport.download(way.at, site.upstream, target, 50_000_000)
    assert (reply.status, reply.error) == (200, "")
    assert target.read_bytes()[4:8] in {b"ftyp", b"\r\n\x1a\n"}  # an mp4 or a png
    assert len(site.world.jobs) == 1


@everywhere
async def test_refused_content_is_the_callers_wherever_it_is_refused(
    at: At, upstream: str, service: str
) -> None:
    failure = await at(upstream, service).why("a lot of gore")

    assert (failure.kind, failure.fault) == (FailureKind.CONTENT_REJECTED, Fault.CALLER)


@everywhere
@pytest.mark.parametrize(
    ("sign", "kind"),
    [
        ("risk_control", FailureKind.RISK_CONTROL),
        ("suspended", FailureKind.SUSPENDED),
        ("maintenance", FailureKind.MAINTENANCE),
        ("overloaded", FailureKind.DEGRADED),
        ("rate_limited", FailureKind.RATE_LIMITED),
        ("quota", FailureKind.QUOTA),
        ("auth", FailureKind.AUTH),
    ],
)
async def test_a_refusal_means_the_same_in_every_dialect(
    at: At, upstream: str, service: str, sign: str, kind: FailureKind
) -> None:
    site = at(upstream, service)
    site.trouble(kind="refuse", sign=sign)

    assert (await site.why()).kind is kind


@everywhere
@pytest.mark.parametrize("form", ["text", "error", "close"])
async def test_a_job_that_fails_is_the_upstreams(
    at: At, upstream: str, service: str, form: str
) -> None:
    site = at(upstream, service)
    site.trouble(kind="fail", form=form)

    said = await site.create()

    end = await site.finish(said) if isinstance(said, Accepted) else said
    # A stream that is closed without a word may have left a job that runs on.
    assert isinstance(end, Failed | InDoubt)
    assert (end.failure.kind, end.failure.fault) == (FailureKind.DEGRADED, Fault.UPSTREAM)
    assert isinstance(end, InDoubt) is (form == "close" and site.adapter.reader is not None)


@everywhere
@pytest.mark.parametrize("accepts", [True, False])
async def test_a_connection_reset_at_a_create_is_in_doubt(
    at: At, upstream: str, service: str, *, accepts: bool
) -> None:
    site = at(upstream, service)
    site.trouble(kind="reset", accepts=accepts)

    assert isinstance(await site.create(), InDoubt)
    assert len(site.world.jobs) == accepts


@everywhere
async def test_a_readable_503_is_a_definite_refusal(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service)
    site.trouble(
        kind="refuse",
        http_status=503,
        body={"error": {"message": "overloaded", "type": "server_error", "code": None}},
    )

    assert isinstance(await site.create(), Refused)
    assert site.world.jobs == {}


@everywhere
@pytest.mark.parametrize("accepts", [True, False])
async def test_a_create_that_is_never_answered_is_in_doubt(
    at: At, upstream: str, service: str, *, accepts: bool
) -> None:
    site = at(upstream, service, timeout=0.3, job_timeout=0.3)
    site.trouble(kind="hang", accepts=accepts)

    said = await site.create()

    assert isinstance(said, InDoubt)
    assert said.failure.rule == "exception:too-slow"
    assert len(site.world.jobs) == accepts


@pytest.mark.parametrize(
    ("upstream", "service"),
    [row for row in DIALECTS if row.id in LISTING],
)
async def test_a_create_in_doubt_is_found_in_the_list(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service, timeout=0.3)
    site.trouble(kind="hang", accepts=True)
    prompt = "a boat that no other test orders"
    assert isinstance(await site.create(prompt), InDoubt)

    page = await site.client.find(Doubt(order_of(prompt, 4, ""), MARK), "", site.upstream)

    assert isinstance(page, Page)
    assert [listed.job.id for listed in page.jobs] == list(site.world.jobs)
    assert [listed.prompt for listed in page.jobs] == [prompt]


@pytest.mark.parametrize(
    ("upstream", "service"),
    [row for row in DIALECTS if row.values[0] != "relay-a"],
)
async def test_a_job_that_was_never_made_is_no_job(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service)

    assert isinstance(await site.client.poll(JobRef("video_never"), site.upstream), Missing)


PICTURE = Input(body=b"PNG", media_type="image/png", name="boat.png")
LINK = Input(url="https://pictures.test/boat.png")


@everywhere
async def test_an_image_arrives_complete_in_the_dialects_encoding(
    at: At, upstream: str, service: str
) -> None:
    site = at(upstream, service)

    await site.made(inputs=(PICTURE,))

    assert [one.reference for one in site.world.jobs.values()] == ["image/png, 3 bytes"]


@everywhere
async def test_an_image_url_arrives_or_is_not_sent_at_all(
    at: At, upstream: str, service: str
) -> None:
    site = at(upstream, service)
    if Form.URL not in site.adapter.features.inputs[FIRST_FRAME]:
        with pytest.raises(LookupError):
            await site.create(inputs=(LINK,))
    else:
        await site.create(inputs=(LINK,))

    assert {one.reference for one in site.world.jobs.values()} <= {LINK.url}


@everywhere
@pytest.mark.parametrize("operation", [Operation.REMIX, Operation.EDIT, Operation.EXTEND])
async def test_every_supported_operation_works(
    at: At, upstream: str, service: str, operation: Operation
) -> None:
    site = at(upstream, service)
    source, _ = await site.made()

    if operation not in site.adapter.features.operations:
        with pytest.raises(LookupError):
            await site.create("more", operation=operation, source=source.id)
        return
    job, _ = await site.made("more", operation=operation, source=source.id)

    assert job.id != source.id
    assert [entry.prompt for entry in site.world.ledger.entries] == ["a paper boat", "more"]


@everywhere
async def test_a_running_job_is_cancelled_if_that_is_free(
    at: At, upstream: str, service: str
) -> None:
    site = at(upstream, service)
    site.trouble(kind="stall")
    if site.adapter.cancel is None:
        return
    job = await site.accepted()

    assert await site.client.cancel(job, site.upstream)

    (line,) = site.world.ledger.as_json(site.world.second())["entries"]
    assert (line["state"], line["billed_usd"]) == ("cancelled", 0)


@everywhere
async def test_a_finished_job_is_deleted_if_supported(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service)
    job, _ = await site.made()

    assert await site.client.delete(job, site.upstream)

    assert len(site.world.jobs) == (site.adapter.delete is None)


@everywhere
async def test_a_finished_job_is_not_cancelled(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service)
    job, _ = await site.made()

    assert not await site.client.cancel(job, site.upstream)

    assert len(site.world.jobs) == 1


@everywhere
async def test_every_variant_is_forwarded_completely_and_in_ranges(
    at: At, upstream: str, service: str
) -> None:
    site = at(upstream, service)
    _, end = await site.made()

    for kind in {way.kind for way in end.outputs}:
        request = next(way.at for way in end.outputs if way.kind == kind)
        assert isinstance(request, Request)
        async with site.transport.proxy(request, site.upstream) as relay:
            whole = b"".join([piece async for piece in relay])
            length = relay.content_length
        wanted = {"range": "bytes=10-19"}
        async with site.transport.proxy(request, site.upstream, wanted) as relay:
            part = b"".join([piece async for piece in relay])

        assert length == len(whole) > 100
        assert (relay.reply.status, part) == (206, whole[10:20])


async def test_a_character_is_created_and_used(at: At) -> None:
    site = at("openai", "sora-2-official")
    film = Input(body=b"mp4", media_type="video/mp4")

    character = await site.client.create_character("Ann", film, site.upstream)

    assert isinstance(character, str)
    await site.made(characters=(character,))


@pytest.mark.parametrize("accepts", [True, False])
async def test_a_500_is_in_doubt_since_a_job_may_run_behind_it(at: At, *, accepts: bool) -> None:
    site = at("openai", "sora-2-official")
    body = {"error": {"message": "oops", "type": "server_error", "param": None, "code": None}}
    site.trouble(kind="refuse", http_status=500, body=body, accepts=accepts)

    assert isinstance(await site.create(), InDoubt)
    assert len(site.world.jobs) == accepts


@pytest.mark.parametrize("sign", ["overloaded", "content_rejected", "auth", "quota"])
@pytest.mark.parametrize(
    ("upstream", "service"), [row for row in DIALECTS if row.id == "openai_videos-new_api"]
)
async def test_a_relays_own_refusal_is_definite_whatever_its_status(
    at: At, upstream: str, service: str, sign: str
) -> None:
    site = at(upstream, service)
    site.trouble(kind="refuse", sign=sign)

    assert isinstance(await site.create(), Refused)
    assert site.world.jobs == {}


def test_every_dialect_of_the_simulator_is_in_this_suite() -> None:
    tested = {row.id for row in DIALECTS}

    assert {f"openai_videos-{dialect}" for dialect in VIDEO_DIALECTS} <= tested
    assert "chat_video-sora2api" in tested
