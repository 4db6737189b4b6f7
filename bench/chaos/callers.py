"""Callers who mean each request once, whatever happens to it on the way."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI
from openai.types import Video

_OVER = frozenset({"completed", "failed"})
_LOOK = 1.5
_AT_ONCE = 40


@dataclass(slots=True)
class Told:
    """What one caller was told of one video.

    Args:
        prompt: What it asked for; nobody else asks for the same.
        id: The video's, "" if none was given.
        refusal: Why none was given.
        seen: By turns its status and progress.
        error: The code of its failure, "" for none.
        lost: How often its id was not known.
    """

    prompt: str
    id: str = ""
    refusal: str = ""
    seen: list[tuple[str, int]] = field(default_factory=list)
    error: str = ""
    lost: int = 0

    @property
    def status(self) -> str:
        """Return the newest status, "" if it never had one."""
        return self.seen[-1][0] if self.seen else ""

    def see(self, video: Video) -> None:
        """Take in what was answered."""
        self.seen.append((video.status, video.progress))
        self.error = "" if video.error is None else video.error.code


class Caller:
    """The official SDK, which repeats by itself what got no answer.

    Args:
        address: The gateway's.
        patience: How many seconds it waits for a video.
    """

    def __init__(self, address: str, patience: float) -> None:
        self._sdk = AsyncOpenAI(
            base_url=f"{address}/v1", api_key="none", max_retries=60, timeout=30.0
        )
        self._patience = patience
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._began = time.monotonic()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._sdk.close()

    async def ask(self, prompt: str, model: str, moment: float) -> Told:
        """Ask for one video at a moment, and wait for its end."""
        told = Told(prompt)
        await asyncio.sleep(moment - (time.monotonic() - self._began))  # noqa: TID251  # real time
        number = int(prompt.rpartition(" ")[2])
        headers = {"Idempotency-Key": f"key {number}"} if number % 2 else {}
        try:
            video = await self._sdk.videos.create(
                model=model,
                prompt=prompt,
                seconds="4",
                size="720x1280",
                extra_headers=headers,
            )
        except APIStatusError as refusal:
            told.refusal = f"{refusal.status_code} {refusal.code}"
            return told
        except APIError as error:
            told.refusal = type(error).__name__
            return told
        told.id = video.id
        told.see(video)
        ends = time.monotonic() + self._patience
        while told.status not in _OVER and time.monotonic() < ends:
            await asyncio.sleep(_LOOK)  # noqa: TID251  # real time is the test
            await self._look(told)
        return told

    async def look_again(self, told: Iterable[Told]) -> dict[str, Told]:
        """Return what is told of videos once more."""
        later = {one.id: Told(one.prompt, one.id) for one in told}
        await asyncio.gather(*map(self._look, later.values()))
        return later

    async def _look(self, told: Told) -> None:
        async with self._places:
            try:
                video = await self._sdk.videos.retrieve(told.id)
            except APIConnectionError:
                return  # it is being started again
            except APIStatusError as refusal:
                told.lost += refusal.status_code == 404
                return
        told.see(video)
