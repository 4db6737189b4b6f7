"""The key goes to the upstream alone, and comes back to nobody."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tallylight.clock import SystemClock
from tallylight.model.evidence import FailureKind
from tallylight.model.jobs import JobRef
from tallylight.simulator.scenario import ScenarioKey
from tallylight.upstreams.acceptance import Refused
from tallylight.upstreams.messages import Request
from tallylight.upstreams.steps import Accepted, Done
from tallylight.upstreams.transport import Transport
from tests.contract.flows import flows_of
from tests.contract.servers import authorization_of, json_response, listening, response
from tests.contract.services import SCENARIO, each_dialect, everywhere
from tests.contract.site import Site

At = Callable[[str], Site]


def named_elsewhere(site: Site, job: JobRef, origin: str) -> JobRef:
    """Return a job whose addresses lead to another origin."""
    extra = {name: text.replace(site.world.base_url, origin) for name, text in job.extra.items()}
    return replace(job, extra=extra)


def delivered_elsewhere(site: Site, done: Done, origin: str) -> Done:
    """Return a finished job whose files lie at another origin."""
    ways = tuple(
        replace(each, at=replace(each.at, url=each.at.url.replace(site.world.base_url, origin)))
        for each in done.outputs
        if isinstance(each.at, Request) and each.at.url.startswith("http")
    )
    return replace(done, outputs=ways)


@each_dialect
async def test_an_address_of_an_answer_at_another_origin_is_not_signed(
    at: At, name: str, tmp_path: Path
) -> None:
    site = at(name)
    job, done = await site.delivered()

    async with listening(lambda _: response(404, "nothing")) as foreign:
        moved = named_elsewhere(site, job, foreign.url)
        for flow in flows_of(site.adapter, site.order(), site.mark, moved):
            await site.run(flow)
        elsewhere = delivered_elsewhere(site, done, foreign.url)
        await site.fetch(job, elsewhere, tmp_path / "result")

    assert bool(foreign.received) >= bool(elsewhere.outputs)
    assert [authorization_of(each) for each in foreign.received] == [""] * len(foreign.received)


@each_dialect
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_another_origin_takes_no_key_along(
    at: At, name: str, status: int, tmp_path: Path
) -> None:
    site = at(name)
    job, done = await site.delivered()

    async with listening(lambda _: response(404, "nothing")) as foreign:
        location = f"location: {foreign.url}/elsewhere"
        async with listening(lambda _: response(status, "", location)) as redirecting:
            moved = site.at(base_url=redirecting.url)
            there = named_elsewhere(site, job, redirecting.url)
            for flow in flows_of(moved.adapter, site.order(), site.mark, there):
                await moved.run(flow)
            await moved.create(site.order())
            await moved.fetch(there, done, tmp_path / "result")

    assert any(map(authorization_of, redirecting.received))
    assert not any(map(authorization_of, foreign.received))
    assert not any(each.startswith("POST") for each in foreign.received)


class OffClock(SystemClock):
    """The system's clock, but for an error of its date."""

    def __init__(self, error: timedelta) -> None:
        self._error = error

    def now(self) -> datetime:
        return super().now() + self._error


@each_dialect
@pytest.mark.parametrize("seconds", [-3600, -4, 4, 10, 3600])
async def test_a_clock_that_is_off_pays_for_nothing_that_is_refused(
    at: At, name: str, seconds: int
) -> None:
    async with Transport(OffClock(timedelta(seconds=seconds))) as transport:
        site = replace(at(name), transport=transport)
        found = await site.create()

    if isinstance(found, Refused) and abs(seconds) > 5:
        assert found.failure.kind is FailureKind.AUTH
        assert site.jobs == []
    else:
        assert isinstance(found, Accepted), found


def _keys(name: str) -> list[ScenarioKey]:
    keys = SCENARIO.upstreams[SCENARIO.services[name].upstream].keys
    return [each for each in keys if each.services is None and each.state == "good"]


@everywhere
@pytest.mark.parametrize("status", [200, 401, 500])
async def test_neither_the_key_nor_what_is_made_of_it_is_in_any_text_that_comes_out(
    at: At, name: str, status: int, tmp_path: Path
) -> None:
    site = at(name)
    job = (await site.accepted()).job
    texts: list[str] = []
    secrets: set[str] = set()

    async with listening(lambda request: json_response(status, echo(request))) as echoing:
        for key in _keys(name):
            there = site.with_key(key).at(base_url=echoing.url)
            moved = named_elsewhere(site, job, echoing.url)
            secrets.add(key.secret or key.key)
            flows = flows_of(there.adapter, site.order(), site.mark, moved)
            texts += [repr(await there.run(flow)) for flow in flows]
            made = await there.create(site.order())
            texts.append(repr(made))
            if isinstance(made, Accepted) and isinstance(made.step, Done):
                texts.append(repr(await there.fetch(job, made.step, tmp_path / "result")))
        secrets |= {authorization_of(each).rpartition(" ")[2] for each in echoing.received} - {""}

    assert len(secrets) >= len(_keys(name))
    said = "\n".join(texts)
    for secret in secrets:
        assert secret not in said
        for part in secret.replace(":", ".").split("."):
            assert len(part) < 16 or part not in said


def echo(request: str) -> object:
    """Return an answer that repeats a request wherever an adapter may look."""
    said = {"id": request, "request_id": request, "status": "failed", "message": request}
    failed = {"task_id": request, "task_status": "failed", "task_status_msg": request}
    return {
        **said,
        "error": {"message": request, "code": request, "type": request},
        "code": 0,
        "data": failed,
        "detail": [{"msg": request, "type": request}],
        "status_url": request,
        "video": {"url": f"http://127.0.0.1:9/{request}"},
    }
