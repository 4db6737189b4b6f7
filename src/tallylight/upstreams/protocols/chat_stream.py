"""Reads one streamed chat answer as a job, up to the video at its end."""

from collections.abc import Iterable

from tallylight.model.evidence import Failure
from tallylight.model.jobs import JobRef, Made
from tallylight.upstreams.classify.chat_transcript import ChatTranscript
from tallylight.upstreams.event_stream import SseParser, StreamEvent
from tallylight.upstreams.messages import Phase, get
from tallylight.upstreams.protocols.chat_outcome import chat_outcome
from tallylight.upstreams.steps import VIDEO, Done, Output, Working


class ChatStream:
    """A streamed create, read as a job that progresses.

    Args:
        base_url: What addresses in the answer are relative to.
        echoes_model: The `model` of the answer is the one that was used.
        secrets: Texts that are masked in the answer.
    """

    def __init__(self, base_url: str, *, echoes_model: bool, secrets: tuple[str, ...] = ()) -> None:
        self._base_url = base_url
        self._echoes_model = echoes_model
        self._parser = SseParser()
        self._transcript = ChatTranscript(secrets=secrets)
        self._step: Working | Done | Failure = Working()

    @property
    def job(self) -> JobRef:
        """Return the job: its id is shown, and asks for nothing."""
        return JobRef(self._transcript.id)

    @property
    def has_progress(self) -> bool:
        """Tell whether the answer has shown progress: a refusal is streamed, too."""
        return self._transcript.progress is not None

    def feed(self, chunk: str) -> Working | Done | Failure | None:
        """Read the next chunk; return the state of the job if it has changed."""
        self._add(self._parser.feed(chunk))
        before, self._step = self._step, self._current()
        return None if self._step == before else self._step

    def end(self, error: str) -> Done | Failure:
        """Return how the job ended."""
        self._add(self._parser.end())
        if isinstance(self._step, Working):
            self._step = self._final(error)
        return self._step

    def _add(self, events: Iterable[StreamEvent]) -> None:
        for event in events:
            self._transcript.add(event)

    def _current(self) -> Working | Done | Failure:
        if not isinstance(self._step, Working):
            return self._step
        if self._transcript.is_done:
            return self._final("")
        transcript = self._transcript
        return Working(transcript.has_begun, transcript.progress, made=self._made())

    def _final(self, error: str) -> Done | Failure:
        found = chat_outcome(self._transcript, self._base_url, error=error)
        if isinstance(found, Failure):
            return found
        ways = tuple(Output(VIDEO, get(Phase.CONTENT, each)) for each in found)
        return Done(ways, self._made())

    def _made(self) -> Made:
        return Made(model=self._transcript.model if self._echoes_model else "")
