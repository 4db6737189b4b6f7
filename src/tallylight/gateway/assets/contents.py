"""A completed video's content: from the asset store, or proxied from its service."""

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus

import structlog

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.gateway.api import (
    ByteRange,
    Content,
    ImageFile,
    Images,
    RangeNotSatisfiableError,
)
from tallylight.gateway.assets.late import CONTENT_UNAVAILABLE, awaits_content
from tallylight.gateway.assets.names import asset_media_type, files_of
from tallylight.gateway.assets.store import AssetStore
from tallylight.gateway.requests import ApiError, bad_request
from tallylight.jobs.made import finished_job
from tallylight.model.attempt import Attempt
from tallylight.model.evidence import Failure
from tallylight.model.ids import ServiceId
from tallylight.model.video import Video
from tallylight.storage.database import Storage
from tallylight.upstreams.client import UpstreamClient
from tallylight.upstreams.download import ResultWays, is_sold, read_again
from tallylight.upstreams.messages import Reply, Request
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Done, Missing, Output, Trouble
from tallylight.upstreams.streaming import ProxiedResponse
from tallylight.upstreams.transport import Transport

log = structlog.get_logger()

_VIDEO = "video"
_MP4 = "video/mp4"
_GONE_STATUSES = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


class ContentReader:
    """Opens the content of videos, and deletes it."""

    def __init__(
        self,
        board: Board,
        storage: Storage,
        transport: Transport,
        store: AssetStore,
        clock: Clock,
    ) -> None:
        self._board = board
        self._storage = storage
        self._transport = transport
        self._client = UpstreamClient(transport)
        self._store = store
        self._clock = clock

    @asynccontextmanager
    async def open(
        self, video: Video, variant: str, byte_range: ByteRange | None
    ) -> AsyncIterator[Content]:
        """Open the content of a completed video, or a range of it."""
        # Only the video itself is stored; images are proxied from the service.
        if variant == _VIDEO and video.asset:
            async with self._open_stored(video, byte_range) as content:
                yield content
        else:
            async with self._open_upstream(video, variant, byte_range) as content:
                yield content

    async def images(self, video: Video) -> Images:
        """Return the stored images of a completed row.

        Raises:
            ApiError: if they are no longer stored, or not yet.
        """
        if not video.asset:
            raise self._unavailable(video, video.service, None)
        files = []
        for name in files_of(video.asset):
            size = await self._store.size(name)
            if size is None:
                raise _expired(video)
            files.append(ImageFile(size, self._chunks_of(name)))
        attempt = await self._storage.attempts.delivered(video.id)
        quality = "" if attempt is None else attempt.order.quality
        return Images(video, asset_media_type(video.asset), quality, tuple(files))

    async def _chunks_of(self, name: str) -> AsyncIterator[bytes]:
        async with self._store.open(name) as opened:
            async for chunk in opened.chunks:
                yield chunk

    async def delete(self, video: Video) -> None:
        """Delete a video's assets, and its job at the service where the protocol allows it."""
        for name in (*files_of(video.asset), *files_of(video.params.input_asset)):
            await self._store.delete(name)
        attempt = await self._storage.attempts.delivered(video.id)
        if attempt is None or attempt.service not in self._board:
            return
        service = self._board.service(attempt.service)
        if attempt.job is not None and not await self._client.delete(attempt.job, service.upstream):
            log.info("video.upstream_delete_failed", service=service.id)

    @asynccontextmanager
    async def _open_stored(
        self, video: Video, byte_range: ByteRange | None
    ) -> AsyncIterator[Content]:
        size = await self._store.size(video.asset)
        if size is None:
            raise _expired(video)
        served_range = None
        if byte_range is not None:
            served_range = byte_range.resolve(size)
            if served_range is None:
                raise RangeNotSatisfiableError(size)
        first, last = served_range or (0, None)
        end = None if last is None else last + 1
        async with AsyncExitStack() as stack:
            try:
                opened = await stack.enter_async_context(self._store.open(video.asset, first, end))
            except LookupError:  # it has expired meanwhile
                raise _expired(video) from None
            yield Content(opened.chunks, asset_media_type(video.asset), size, served_range)

    @asynccontextmanager
    async def _open_upstream(
        self, video: Video, variant: str, byte_range: ByteRange | None
    ) -> AsyncIterator[Content]:
        attempt = await self._storage.attempts.delivered(video.id)
        if attempt is None or attempt.service not in self._board:
            raise _expired(video)
        service = self._board.service(attempt.service)
        done = await self._current_job(video, attempt, variant)
        headers = {} if byte_range is None else {"Range": _range_header(byte_range)}
        errors = adapter_for(service.upstream).errors
        gone: Missing | Trouble | None = None
        ways = ResultWays(_outputs_of(done, variant, service), service.upstream)
        for way in ways:
            if not isinstance(way.at, Request):
                continue  # a film in the answer is stored before the video is completed
            async with self._transport.proxy(way.at, service.upstream, headers) as response:
                reply = response.reply
                if reply.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    raise RangeNotSatisfiableError(None)
                if response.is_open and _is_wanted(reply.media_type, variant, service):
                    # The service may ignore the range and send everything.
                    served_range, size = _served_range(reply, response.content_length)
                    media_type = reply.media_type or reply.headers.get("content-type", _MP4)
                    yield Content(_complete_chunks(response), media_type, size, served_range)
                    return
            ways.follow(way, reply)
            gone = errors.no_job(reply, "content:empty")
        raise self._unavailable(video, service.id, gone)

    async def _current_job(self, video: Video, attempt: Attempt, variant: str) -> Done:
        """Return the upstream's current description of a delivered job: its URLs may change."""
        service, known = self._board.service(attempt.service), finished_job(attempt)
        if variant == _VIDEO or attempt.job is None:
            # What is known may lead to it, even if the job cannot be read.
            return await read_again(attempt.job, known, service.upstream, self._client)
        step = await self._client.poll(attempt.job, service.upstream)
        if isinstance(step, Missing | Trouble):
            raise self._unavailable(video, service.id, step)
        if not isinstance(step, Done):  # it was completed before, so the content has expired
            raise _expired(video)
        return step

    def _unavailable(
        self, video: Video, service: ServiceId, last: Missing | Trouble | None
    ) -> ApiError:
        """Return the error for content that its service does not serve."""
        is_gone = last is None or isinstance(last, Missing) or _says_gone(last.failure)
        if is_gone and not awaits_content(video, self._clock.now()):
            return _expired(video)
        failure = None if last is None else last.failure
        reason = "" if failure is None else f" {service}: {failure.text or failure.rule}"
        return ApiError(
            HTTPStatus.SERVICE_UNAVAILABLE,
            f"The content of video {video.id} is not available now.{reason}",
            code=CONTENT_UNAVAILABLE,
            retry_after=None if failure is None else failure.retry_after,
        )


async def _complete_chunks(response: ProxiedResponse) -> AsyncIterator[bytes]:
    """Yield the bytes of a proxied response.

    Raises:
        ConnectionAbortedError: if they break off, so that a part never passes for the whole.
    """
    async for chunk in response:
        yield chunk
    if response.reply.error:
        raise ConnectionAbortedError(response.reply.error)


def _range_header(byte_range: ByteRange) -> str:
    first = "" if byte_range.first is None else byte_range.first
    return f"bytes={first}-{'' if byte_range.last is None else byte_range.last}"


def _served_range(reply: Reply, length: int | None) -> tuple[tuple[int, int] | None, int | None]:
    """Return the range that a response serves, None for all, and the size of the whole."""
    if reply.status != HTTPStatus.PARTIAL_CONTENT:
        return None, length
    found = _CONTENT_RANGE.fullmatch(reply.headers.get("content-range", ""))
    if found is None:
        return None, length
    first, last, size = found.groups()
    return (int(first), int(last)), None if size == "*" else int(size)


def _outputs_of(done: Done, variant: str, service: Service) -> Iterable[Output]:
    """Return the ways to a variant; "video" is what the service sells, whatever that is."""
    if variant == _VIDEO:
        return (each for each in done.outputs if each.is_sold)
    found = [each for each in done.outputs if each.kind == variant]
    if not found:
        names = sorted({_VIDEO, *(each.kind for each in done.outputs if not each.is_sold)})
        raise bad_request(
            f"{service.id} has no '{variant}'; it has {', '.join(names)}.", param="variant"
        )
    return found


def _says_gone(failure: Failure) -> bool:
    return failure.http_status in _GONE_STATUSES


def _is_wanted(media_type: str, variant: str, service: Service) -> bool:
    """Tell whether a file is what was asked for; of a later part, the kind is not known."""
    return variant != _VIDEO or not media_type or is_sold(media_type, service.sheet.medium)


def _expired(video: Video) -> ApiError:
    return ApiError(
        HTTPStatus.GONE,
        f"The content of video {video.id} has expired.",
        code="content_expired",
        param="video_id",
    )
