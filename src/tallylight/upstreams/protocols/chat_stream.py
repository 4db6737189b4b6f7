"""Reads one streamed chat answer as a job, up to the video at its end."""

from collections.abc import Iterable

from tallylight.model.evidence import Failure
from tallylight.upstreams.classify.chat_transcript import ChatTranscript
from tallylight.upstreams.event_stream import SseParser, StreamEvent
from tallylight.upstreams.messages import Job, JobState
from tallylight.upstreams.protocols.chat_outcome import chat_outcome


class ChatStream:
    """A streamed create, read as a job that progresses.

    Args:
        dialect: The dialect of the upstream.
        base_url: What addresses in the answer are relative to.
        echoes_model: The `model` of the answer is the one that was used.
        secrets: Texts that are masked in the answer.
    """

    def __init__(
        self, dialect: str, base_url: str, *, echoes_model: bool, secrets: tuple[str, ...] = ()
    ) -> None:
        self._dialect = dialect
        self._base_url = base_url
        self._echoes_model = echoes_model
        self._parser = SseParser()
        self._transcript = ChatTranscript(secrets=secrets)
        self._job = Job(id="", state=JobState.QUEUED)

    def feed(self, chunk: str) -> Job | None:
        """Read the next chunk; return the job if it has changed."""
        self._add(self._parser.feed(chunk))
        before, self._job = self._job, self._current_job()
        return None if self._job == before else self._job

    def end(self, error: str) -> Job:
        """Return the job, COMPLETED or FAILED, at the end of the stream."""
        self._add(self._parser.end())
        if not self._job.state.is_terminal:
            self._job = self._final_job(error)
        return self._job

    def _add(self, events: Iterable[StreamEvent]) -> None:
        for event in events:
            self._transcript.add(event)

    def _current_job(self) -> Job:
        if self._job.state.is_terminal:
            return self._job
        if self._transcript.is_done:
            return self._final_job("")
        has_begun = self._transcript.has_begun
        return self._job_with(JobState.IN_PROGRESS if has_begun else JobState.QUEUED)

    def _final_job(self, error: str) -> Job:
        outcome = chat_outcome(self._transcript, self._dialect, self._base_url, error=error)
        if isinstance(outcome, Failure):
            return self._job_with(JobState.FAILED, failure=outcome)
        return self._job_with(JobState.COMPLETED, results=outcome)

    def _job_with(
        self, state: JobState, *, results: tuple[str, ...] = (), failure: Failure | None = None
    ) -> Job:
        transcript = self._transcript
        return Job(
            id=transcript.id,
            state=state,
            progress=100 if state is JobState.COMPLETED else transcript.progress,
            model=transcript.model if self._echoes_model else "",
            results=results,
            failure=failure,
            created_at=transcript.created_at,
        )
