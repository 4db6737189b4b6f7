"""Callers that use the official SDK, and what they saw."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI
from openai.types import Video

_FINAL = frozenset({"completed", "failed"})
_CREATE_PATIENCE_S = 300.0
_POLL_INTERVAL_S = 1.5
_MAX_CONCURRENT_POLLS = 40
_POLL_TIMEOUT_S = 20.0
_LATER_ROUNDS = 40


@dataclass(slots=True)
class CallerRecord:
    """The responses that one caller got for one video.

    Args:
        prompt: The prompt, different for each caller.
        id: Id of the video, "" if the create was refused.
        refusal: Why the create was refused, "" if it was not.
        is_unanswered: The create got no answer, however often it was repeated.
        seen: Each status and progress, in order.
        error: Error code of the failure, "" for none.
        lost: Number of 404 responses.
    """

    prompt: str
    id: str = ""
    refusal: str = ""
    is_unanswered: bool = False
    seen: list[tuple[str, int]] = field(default_factory=list)
    error: str = ""
    lost: int = 0

    @property
    def status(self) -> str:
        """Return the newest status, "" for none."""
        return self.seen[-1][0] if self.seen else ""

    @property
    def is_final(self) -> bool:
        """Tell whether the video has ended."""
        return self.status in _FINAL

    def add(self, video: Video) -> None:
        """Add a response."""
        self.seen.append((video.status, video.progress))
        self.error = "" if video.error is None else video.error.code


class Caller:
    """The official SDK, which repeats requests without a response.

    Each create goes to one address, in turn, and is repeated there. A poll goes to the address of
    its create, and to another one if that does not answer.

    Args:
        addresses: Root URLs of the gateways.
        patience: Seconds to wait for a video.
    """

    def __init__(self, addresses: Sequence[str], patience: float) -> None:
        self._sdks = [
            AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=60, timeout=30.0)
            for address in addresses
        ]
        self._patience = patience
        self._poll_slots = asyncio.Semaphore(_MAX_CONCURRENT_POLLS)
        self._started_at = time.monotonic()

    async def aclose(self) -> None:
        """Close the SDK's connections."""
        for sdk in self._sdks:
            await sdk.close()

    async def generate(self, prompt: str, model: str, send_at: float) -> CallerRecord:
        """Create one video at a given second, and wait for its end."""
        record = CallerRecord(prompt)
        await asyncio.sleep(send_at - (time.monotonic() - self._started_at))  # noqa: TID251  # real time
        number = _number_of(prompt)
        headers = {"Idempotency-Key": f"key {number}"} if number % 2 else {}
        try:
            async with asyncio.timeout(_CREATE_PATIENCE_S):
                video = await self._sdk_for(number).videos.create(
                    model=model,
                    prompt=prompt,
                    seconds="4",
                    size="720x1280",
                    extra_headers=headers,
                )
        except APIStatusError as refusal:
            record.refusal = f"{refusal.status_code} {refusal.code}"
            return record
        except (APIError, TimeoutError):
            record.is_unanswered = True
            return record
        record.id = video.id
        record.add(video)
        deadline = time.monotonic() + self._patience
        while not record.is_final and time.monotonic() < deadline:
            await asyncio.sleep(_POLL_INTERVAL_S)  # noqa: TID251  # real time is the test
            await self._retrieve(record)
        return record

    async def retrieve_again(self, records: Iterable[CallerRecord]) -> dict[str, CallerRecord]:
        """Retrieve videos once more; return new records by video id."""
        later = {one.id: CallerRecord(one.prompt, one.id) for one in records}
        for _ in range(_LATER_ROUNDS):
            unheard = [one for one in later.values() if not one.seen and not one.lost]
            if not unheard:
                break
            await asyncio.gather(*map(self._retrieve, unheard))
        return later

    def _sdk_for(self, number: int) -> AsyncOpenAI:
        return self._sdks[number % len(self._sdks)]

    async def _retrieve(self, record: CallerRecord) -> None:
        number = _number_of(record.prompt)
        async with self._poll_slots:
            for offset in range(len(self._sdks)):
                sdk = self._sdk_for(number + offset).with_options(
                    max_retries=0, timeout=_POLL_TIMEOUT_S
                )
                try:
                    video = await sdk.videos.retrieve(record.id)
                except APIConnectionError:
                    continue  # this gateway is stopped or restarting
                except APIStatusError as refusal:
                    record.lost += refusal.status_code == 404
                    return
                record.add(video)
                return
        await asyncio.sleep(_POLL_INTERVAL_S)  # noqa: TID251  # real time is the test


def _number_of(prompt: str) -> int:
    return int(prompt.rpartition(" ")[2])
