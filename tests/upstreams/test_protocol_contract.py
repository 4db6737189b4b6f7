"""The contract of every protocol, over HTTP, at the simulator's independent implementation."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.clock import SystemClock
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.order import Operation, Order, Reference
from tallylight.simulator.faults import FAULT_ADAPTER
from tallylight.simulator.files import load_scenario
from tallylight.simulator.protocols.openai_videos import VIDEO_DIALECTS
from tallylight.simulator.server import serve_simulation
from tallylight.simulator.world import Simulation
from tallylight.upstreams.acceptance import Acceptance, acceptance
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Job, JobState, Phase, Reply, Request
from tallylight.upstreams.protocol import VideoProtocol
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.transport import Transport

SPEED = 50.0  # scenario seconds to a real one: a job of 4 s takes 80 ms
CLOCK = SystemClock()
OWN_SERVERS = Path(__file__).parents[1] / "data" / "own-servers.yaml"
ENDED = {JobState.COMPLETED, JobState.FAILED}

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
    def adapter(self) -> VideoProtocol:
        return adapter_for(self.upstream)

    @property
    def model(self) -> str:
        return self.world.scenario.services[self.service].model

    def trouble(self, **trouble: object) -> None:
        self.world.override_faults(self.service, (FAULT_ADAPTER.validate_python(trouble),))

    async def create(
        self, prompt: str = "a paper boat", **more: object
    ) -> tuple[Reply, Job | Failure]:
        part = self.world.scenario.services[self.service]
        order = Order(prompt, part.lengths[0] if part.lengths else 0, part.sizes[0])
        order = replace(order, **more)  # type: ignore[arg-type]  # fields of an order
        request = self.adapter.create(order, self.model)
        if not self.adapter.streams:
            reply = await self.transport.send(request, self.upstream)
            return reply, self.adapter.read_job(reply)
        reader = self.adapter.open_stream()
        async with self.transport.stream(request, self.upstream) as stream:
            if not stream.is_open:
                return stream.reply, self.adapter.read_job(stream.reply)
            async for text in stream:
                reader.feed(text)
        return stream.reply, reader.end(stream.reply.error)

    async def finish(self, job: Job) -> Job:
        while job.state not in ENDED:
            await CLOCK.sleep(timedelta(milliseconds=20))
            polled = await self.transport.send(self.adapter.poll(job.id), self.upstream)
            outcome = self.adapter.read_job(polled)
            assert isinstance(outcome, Job), outcome
            assert outcome.id == job.id
            job = outcome
        return job

    async def outcome(self, prompt: str = "a paper boat", **more: object) -> Job | Failure:
        _, outcome = await self.create(prompt, **more)
        return await self.finish(outcome) if isinstance(outcome, Job) else outcome

    async def why(self, prompt: str = "a paper boat") -> Failure:
        """Return the failure of a create or of its job."""
        outcome = await self.outcome(prompt)
        failure = outcome.failure if isinstance(outcome, Job) else outcome
        assert failure is not None
        return failure


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

    reply = await site.transport.send(site.adapter.reach(), site.upstream)

    assert reply.status is not None
    assert classify(reply, site.upstream.dialect) is None


@everywhere
async def test_a_valid_key_and_model_are_accepted_for_free(
    at: At, upstream: str, service: str
) -> None:
    site = at(upstream, service)

    reply = await site.transport.send(site.adapter.credentials(site.model), site.upstream)

    assert site.adapter.read_credentials(reply, site.model) is None
    assert site.world.jobs == {}


@everywhere
async def test_a_wrong_key_is_our_own_fault(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service, key="sk-another-callers-0000")

    reply = await site.transport.send(site.adapter.credentials(site.model), site.upstream)
    failure = site.adapter.read_credentials(reply, site.model)

    assert failure is not None
    assert (failure.kind, failure.fault) == (FailureKind.AUTH, Fault.OURS)


@everywhere
async def test_a_removed_model_is_found_for_free(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service)
    site.trouble(kind="retire")

    reply = await site.transport.send(site.adapter.credentials("gone-1"), site.upstream)

    assert site.adapter.read_credentials(reply, "gone-1") is not None


@everywhere
async def test_a_job_is_polled_until_its_video_is_on_disk(
    at: At, upstream: str, service: str, tmp_path: Path
) -> None:
    site = at(upstream, service)
    target = tmp_path / "delivery"

    job = await site.outcome()

    assert isinstance(job, Job)
    assert (job.state, job.progress, job.failure) == (JobState.COMPLETED, 100, None)
    assert job.model in {"", site.model}
    way = site.adapter.outputs(job)[0]
    assert isinstance(way, Request)
    reply = await site.transport.download(way, site.upstream, target, 50_000_000)
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

    job = await site.outcome()

    assert isinstance(job, Job)
    assert job.state is JobState.FAILED
    assert job.failure is not None
    assert (job.failure.kind, job.failure.fault) == (FailureKind.DEGRADED, Fault.UPSTREAM)


@everywhere
@pytest.mark.parametrize("accepts", [True, False])
async def test_a_connection_reset_at_a_create_is_in_doubt(
    at: At, upstream: str, service: str, *, accepts: bool
) -> None:
    site = at(upstream, service)
    site.trouble(kind="reset", accepts=accepts)

    reply, failure = await site.create()

    assert isinstance(failure, Failure)
    assert acceptance(reply, failure) is Acceptance.IN_DOUBT
    assert len(site.world.jobs) == accepts


@everywhere
async def test_a_readable_503_is_a_definite_refusal(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service)
    site.trouble(
        kind="refuse",
        http_status=503,
        body={"error": {"message": "overloaded", "type": "server_error", "code": None}},
    )

    reply, failure = await site.create()

    assert isinstance(failure, Failure)
    assert acceptance(reply, failure) is Acceptance.REFUSED
    assert site.world.jobs == {}


@everywhere
@pytest.mark.parametrize("accepts", [True, False])
async def test_a_create_that_is_never_answered_is_in_doubt(
    at: At, upstream: str, service: str, *, accepts: bool
) -> None:
    site = at(upstream, service, timeout=0.3, job_timeout=0.3)
    site.trouble(kind="hang", accepts=accepts)

    reply, failure = await site.create()

    assert isinstance(failure, Failure)
    assert failure.rule == "exception:too-slow"
    assert acceptance(reply, failure) is Acceptance.IN_DOUBT
    assert len(site.world.jobs) == accepts


@pytest.mark.parametrize(
    ("upstream", "service"),
    [row for row in DIALECTS if row.id in LISTING],
)
async def test_a_create_in_doubt_is_found_in_the_list(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service, timeout=0.3)
    site.trouble(kind="hang", accepts=True)
    reply, failure = await site.create("a boat that no other test orders")
    assert isinstance(failure, Failure)
    assert acceptance(reply, failure) is Acceptance.IN_DOUBT

    request = site.adapter.listing()
    assert request is not None
    listed = site.adapter.read_listing(await site.transport.send(request, site.upstream))

    assert isinstance(listed, tuple)
    assert [job.id for job in listed] == list(site.world.jobs)
    assert [job.prompt for job in listed] == ["a boat that no other test orders"]


@pytest.mark.parametrize(
    ("upstream", "service"),
    [row for row in DIALECTS if row.values[0] != "relay-a"],
)
async def test_a_job_that_was_never_made_is_no_job(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service)

    reply = await site.transport.send(site.adapter.poll("video_never"), site.upstream)

    assert reply.phase is Phase.POLL
    assert isinstance(site.adapter.read_job(reply), Failure)


PICTURE = Reference(body=b"PNG", media_type="image/png", name="boat.png")
LINK = Reference(url="https://pictures.test/boat.png")


@everywhere
async def test_an_image_arrives_complete_in_the_dialects_encoding(
    at: At, upstream: str, service: str
) -> None:
    site = at(upstream, service)

    job = await site.outcome(reference=PICTURE)

    assert isinstance(job, Job)
    assert job.state is JobState.COMPLETED
    assert [one.reference for one in site.world.jobs.values()] == ["image/png, 3 bytes"]


@everywhere
async def test_an_image_url_arrives_or_is_not_sent_at_all(
    at: At, upstream: str, service: str
) -> None:
    site = at(upstream, service)
    if site.upstream.dialect == "sora2api":
        with pytest.raises(LookupError):
            await site.create(reference=LINK)
    else:
        await site.create(reference=LINK)

    assert {one.reference for one in site.world.jobs.values()} <= {LINK.url}


@everywhere
@pytest.mark.parametrize("operation", [Operation.REMIX, Operation.EDIT, Operation.EXTEND])
async def test_every_supported_operation_works(
    at: At, upstream: str, service: str, operation: Operation
) -> None:
    site = at(upstream, service)
    source = await site.outcome()
    assert isinstance(source, Job)

    if operation not in site.adapter.operations:
        with pytest.raises(LookupError):
            await site.create("more", operation=operation, source=source.id)
        return
    made = await site.outcome("more", operation=operation, source=source.id)

    assert isinstance(made, Job)
    assert (made.state, made.id != source.id) == (JobState.COMPLETED, True)
    assert [entry.prompt for entry in site.world.ledger.entries] == ["a paper boat", "more"]


@everywhere
async def test_a_running_job_is_cancelled_if_that_is_free(
    at: At, upstream: str, service: str
) -> None:
    site = at(upstream, service)
    site.trouble(kind="stall")
    if site.adapter.streams or site.adapter.cancel("x") is None:
        return
    _, job = await site.create()
    assert isinstance(job, Job)
    request = site.adapter.cancel(job.id)
    assert request is not None

    reply = await site.transport.send(request, site.upstream)

    assert site.adapter.read_cancel(reply)
    (line,) = site.world.ledger.as_json(site.world.second())["entries"]
    assert (line["state"], line["billed_usd"]) == ("cancelled", 0)


@everywhere
async def test_a_finished_job_is_deleted_if_supported(at: At, upstream: str, service: str) -> None:
    site = at(upstream, service)
    job = await site.outcome()
    assert isinstance(job, Job)
    request = site.adapter.delete(job.id)

    if request is not None:
        reply = await site.transport.send(request, site.upstream)
        assert reply.status == 200

    assert len(site.world.jobs) == (request is None)


@everywhere
async def test_every_variant_is_forwarded_completely_and_in_ranges(
    at: At, upstream: str, service: str
) -> None:
    site = at(upstream, service)
    job = await site.outcome()
    assert isinstance(job, Job)

    for variant in site.adapter.variants:
        request = site.adapter.outputs(job, variant)[0]
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
    film = Reference(body=b"mp4", media_type="video/mp4")

    reply = await site.transport.send(site.adapter.create_character("Ann", film), site.upstream)
    made = site.adapter.read_character(reply)

    assert isinstance(made, str)
    job = await site.outcome(characters=(made,))
    assert isinstance(job, Job)
    assert job.state is JobState.COMPLETED


@pytest.mark.parametrize("accepts", [True, False])
async def test_a_500_is_in_doubt_since_a_job_may_run_behind_it(at: At, *, accepts: bool) -> None:
    site = at("openai", "sora-2-official")
    body = {"error": {"message": "oops", "type": "server_error", "param": None, "code": None}}
    site.trouble(kind="refuse", http_status=500, body=body, accepts=accepts)

    reply, failure = await site.create()

    assert isinstance(failure, Failure)
    assert acceptance(reply, failure) is Acceptance.IN_DOUBT
    assert not site.adapter.proves_not_billed(reply)
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

    reply, failure = await site.create()

    assert isinstance(failure, Failure)
    said = acceptance(reply, failure, is_proven_not_billed=site.adapter.proves_not_billed(reply))
    assert said is Acceptance.REFUSED
    assert site.world.jobs == {}


def test_every_dialect_of_the_simulator_is_in_this_suite() -> None:
    tested = {row.id for row in DIALECTS}

    assert {f"openai_videos-{dialect}" for dialect in VIDEO_DIALECTS} <= tested
    assert "chat_video-sora2api" in tested
