"""Follows one streamed chat answer as a job, to the video at its end."""

from tallylight.model.evidence import Failure
from tallylight.upstreams.json_access import object_of
from tallylight.upstreams.messages import Job, JobState
from tallylight.upstreams.protocols.chat_outcome import outcome
from tallylight.upstreams.protocols.chat_transcript import Transcript
from tallylight.upstreams.protocols.events import EventReader


class ChatStream:
    """A streamed create as a job that moves.

    Args:
        dialect: The upstream's, for the classifier.
        echoes_model: The `model` of the answer means something.
    """

    def __init__(self, dialect: str, *, echoes_model: bool) -> None:
        self._dialect = dialect
        self._echoes_model = echoes_model
        self._events = EventReader()
        self._transcript = Transcript()
        self._has_streamed = False
        self._job = Job(id="", state=JobState.QUEUED)

    def feed(self, chunk: str) -> Job | None:
        """Take in more text; return the job as it stands now if that changed it."""
        self._take(self._events.feed(chunk))
        before, self._job = self._job, self._standing()
        return None if self._job == before else self._job

    def end(self, error: str) -> Job:
        """Say that no more comes, and return the job COMPLETED or FAILED."""
        self._take(self._events.end())
        if not self._transcript.is_done and object_of(self._events.aside) is not None:
            # A server that does not stream answers with one JSON document.
            self._transcript.take(self._events.aside)
        if not self._has_ended:
            self._job = self._ended(error)
        return self._job

    def _take(self, events: list[str]) -> None:
        for data in events:
            self._transcript.take(data)
            self._has_streamed = True

    @property
    def _has_ended(self) -> bool:
        return self._job.state in {JobState.COMPLETED, JobState.FAILED}

    def _standing(self) -> Job:
        if self._has_ended:
            return self._job
        if self._transcript.is_done:
            return self._ended("")
        begun = self._transcript.has_begun
        return self._job_in(JobState.IN_PROGRESS if begun else JobState.QUEUED)

    def _ended(self, error: str) -> Job:
        aside = "" if self._has_streamed else self._events.aside
        found = outcome(self._transcript, self._dialect, aside=aside, error=error)
        if isinstance(found, Failure):
            return self._job_in(JobState.FAILED, failure=found)
        return self._job_in(JobState.COMPLETED, address=found)

    def _job_in(self, state: JobState, *, address: str = "", failure: Failure | None = None) -> Job:
        transcript = self._transcript
        return Job(
            id=transcript.id,
            state=state,
            progress=100 if state is JobState.COMPLETED else transcript.progress,
            model=transcript.model if self._echoes_model else "",
            content_url=address,
            failure=failure,
            created_at=transcript.created_at,
        )
