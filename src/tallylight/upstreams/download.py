"""Fetches the result of a finished job, which is paid for: by every way, and again if it is late.

The ways are the files and the addresses in the job's answer, best first, then the protocol's
content call. A document in place of the file may name one more address. The result is a file whose
first bytes show that it is what the service sells, whatever it is called.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Container, Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Self

from tallylight.catalogue.services import Service, Upstream
from tallylight.clock import Clock
from tallylight.model.evidence import Failure
from tallylight.model.jobs import JobRef
from tallylight.model.order import Medium
from tallylight.upstreams.atomic_download import save_atomically
from tallylight.upstreams.client import UpstreamClient
from tallylight.upstreams.failures import as_upstream_fault, upstream_failure
from tallylight.upstreams.inline_files import InlineFile
from tallylight.upstreams.media_types import is_film
from tallylight.upstreams.messages import Reply, Request
from tallylight.upstreams.networks import request_address
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.protocols.result_addresses import results_named_in, way_to
from tallylight.upstreams.steps import Done, Output
from tallylight.upstreams.transport import Transport

LATE_PATIENCE = timedelta(minutes=5)
"""How long after the end of a job its result may be late: some services report a job as completed
before its file can be had (ArcReel/ArcReel#410)."""

_MAX_WAYS, _MAX_NAMED = 8, 3
_MIN_PAUSE, _MAX_PAUSE = timedelta(seconds=2), timedelta(seconds=30)


class ResultWays(Iterator[Output]):
    """The ways to a file of a job that are still to be tried, best first; a bounded number."""

    def __init__(self, outputs: Iterable[Output], upstream: Upstream) -> None:
        self._upstream = upstream
        self._ways = deque(outputs)
        self._tried: set[str] = set()
        self._named: list[Output] = []
        self._left = _MAX_WAYS

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Output:
        while self._ways and self._left:
            way = self._ways.popleft()
            if isinstance(way.at, Request):
                # An answer may name in full what the adapter names by its path.
                address = request_address(way.at, self._upstream)
                if address in self._tried:
                    continue
                self._tried.add(address)
            self._left -= 1
            return way
        raise StopIteration

    def follow(self, way: Output, reply: Reply) -> None:
        """Try next what an answer in place of the file names; what that names is not followed."""
        if reply.is_success and not any(way is each for each in self._named):
            results = results_named_in(reply, self._upstream.base_url)[:_MAX_NAMED]
            named = [replace(way, at=way_to(each)) for each in results]
            self._named += named
            self._ways.extendleft(reversed(named))


class ResultFetcher:
    """Saves results to files."""

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._client = UpstreamClient(transport)
        self._clock = clock

    async def fetch(  # noqa: PLR0913, PLR0917  # what is fetched, where to, and for how long
        self,
        job: JobRef | None,
        done: Done,
        service: Service,
        target: Path,
        limit_bytes: int,
        patience: timedelta,
        index: int | None = None,
    ) -> str | Failure:
        """Save a result of a finished job; return its media type, or why there is none.

        It is tried at least once, and for so long again; the job is then asked anew for its ways.

        Args:
            job: How the job is known.
            done: Its end.
            service: The service that made it.
            target: The file.
            limit_bytes: The most bytes of it.
            patience: How long it may be late.
            index: Which of several results it is; None if all ways lead to the one result.

        Raises:
            StorageError: if our own disk fails.
        """
        began = self._clock.monotonic()
        while True:
            outcome = await self._try_all(done, service, target, limit_bytes, index)
            waited = timedelta(seconds=self._clock.monotonic() - began)
            pause = retry_pause(waited)
            if isinstance(outcome, str) or waited + pause > patience:
                return outcome
            await self._clock.sleep(pause)
            done = await read_again(job, done, service.upstream, self._client)

    async def _try_all(
        self, done: Done, service: Service, target: Path, limit_bytes: int, index: int | None
    ) -> str | Failure:
        failure: Failure | None = None
        outputs = (each for each in done.outputs if each.is_sold and index in {None, each.index})
        ways = ResultWays(outputs, service.upstream)
        for way in ways:
            if isinstance(way.at, InlineFile):
                saved = await _save_inline(way.at, target, limit_bytes)
            else:
                reply = await self._transport.download(
                    way.at, service.upstream, target, limit_bytes
                )
                saved = "" if reply.error else reply.media_type
                failure = _failure_of(reply, service.upstream)
                ways.follow(way, reply)
            if saved and is_sold(saved, service.sheet.medium):
                return saved
            if saved:
                target.unlink(missing_ok=True)  # noqa: ASYNC240  # a picture of ours
        return failure or upstream_failure("delivery:nothing", "its answer names no video")


def retry_pause(waited: timedelta) -> timedelta:
    """Return the pause before a result is tried again: as long as it was waited for, in limits."""
    return min(max(waited, _MIN_PAUSE), _MAX_PAUSE)


def is_sold(media_type: str, medium: Medium) -> bool:
    """Tell whether a file may be what a service sells; a picture is no film."""
    return is_film(media_type) if medium is Medium.VIDEO else media_type.startswith("image/")


async def read_again(
    job: JobRef | None, done: Done, upstream: Upstream, client: UpstreamClient
) -> Done:
    """Return a finished job as its upstream describes it now: addresses expire, and are renewed.

    What it named before is kept, too. Where no job outlives its create, nothing is asked.
    """
    if job is None or adapter_for(upstream).poll is None:
        return done
    found = await client.poll(job, upstream)
    if not isinstance(found, Done):
        return done
    known = {each.at for each in found.outputs if isinstance(each.at, InlineFile)}
    urls = {each.at.url for each in found.outputs if isinstance(each.at, Request)}
    kept = (each for each in done.outputs if not _is_among(each, urls, known))
    return replace(found, outputs=(*found.outputs, *kept))


def _is_among(output: Output, urls: Container[str], files: Container[InlineFile]) -> bool:
    at = output.at
    return at.url in urls if isinstance(at, Request) else at in files


async def _save_inline(file: InlineFile, target: Path, limit_bytes: int) -> str:
    """Save a file that an answer held; return its media type, "" if it is broken."""
    try:
        await save_atomically(_blocks(file), target, limit_bytes)
    except ValueError:  # broken base64, or too large
        return ""
    return file.media_type


async def _blocks(file: InlineFile) -> AsyncIterator[bytes]:
    blocks = file.blocks()
    while (block := await asyncio.to_thread(next, blocks, None)) is not None:
        yield block


def _failure_of(reply: Reply, upstream: Upstream) -> Failure:
    found = reply.error.removeprefix("ContentTypeError: ") or f"{reply.media_type} was delivered"
    nothing = upstream_failure("delivery:nothing", found, http_status=reply.status)
    return as_upstream_fault(adapter_for(upstream).errors.of(reply) or nothing)
