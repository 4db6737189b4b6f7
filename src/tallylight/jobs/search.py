"""Searches upstreams' lists for the jobs of attempts in doubt; an attempt is never sent again.

A job is recognised by our mark, where the list shows it. Else a prompt cannot carry one, so it is
recognised by its order: the same prompt, model, length and size, created since, and claimed by no
other attempt. A list may show a prompt trimmed, or cut off: then it is no proof, and rules no job
out. Two attempts in doubt with equal orders are interchangeable as long as each job is
claimed once. A create that still waits for its response is not in doubt: a job that may belong to
it is not claimed until it has one.

Where the list shows neither, a job of the same model, length and size may be that of another user
of the account: it is never claimed, but it keeps the doubt from ending.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from tallylight.catalogue.services import Service
from tallylight.clock import Clock
from tallylight.jobs.journal import Journal
from tallylight.jobs.made import change_of_job
from tallylight.jobs.tracked_video import TrackedVideo
from tallylight.model.attempt import Attempt
from tallylight.model.attempt_state import AttemptEvent
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.ids import ServiceId, UpstreamId
from tallylight.model.order import Operation
from tallylight.storage.attempts import Attempts
from tallylight.upstreams.client import UpstreamClient
from tallylight.upstreams.protocol import Doubt, Mark
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import Listed

_SKEW = timedelta(seconds=30)
"""Allowed lag of an upstream's clock."""

_PAGES = 40
"""Most pages read of a list: 2,000 jobs."""

_NO_END = Failure(FailureKind.UNKNOWN, Fault.UPSTREAM, "list:no_end", "its list has no end")
"""A job that was not found may be on a page that was not read."""

_AMBIGUOUS = Failure(
    FailureKind.UNKNOWN,
    Fault.UPSTREAM,
    "list:ambiguous",
    "it shows a job that may be the attempt's or another's",
)
"""The job can neither be claimed nor ruled out."""

_NOTHING_THERE = Failure(
    FailureKind.UNKNOWN,
    Fault.UPSTREAM,
    "list:nothing_there",
    "its folder is empty, as that of a job that still runs or has failed",
)
"""A folder proves a job by what lies there, and nothing by being empty."""

_MIN_SHORT_FORM = 20
"""The shortest beginning of a prompt that a list may show in its place."""

_SNAPSHOT = re.compile(r"-20\d\d-?\d\d-?\d\d")
"""Suffix of a dated model name, for an order without a date."""

ServicesOf = Callable[[UpstreamId], frozenset[ServiceId]]
"""Returns the services at an upstream, whose jobs one list shows."""


class JobSearch:
    """Looks for the job of an attempt in its upstream's list."""

    def __init__(
        self,
        attempts: Attempts,
        client: UpstreamClient,
        journal: Journal,
        services_of: ServicesOf,
        clock: Clock,
    ) -> None:
        self._attempts = attempts
        self._client = client
        self._journal = journal
        self._services_of = services_of
        self._clock = clock

    async def search(
        self, tracked: TrackedVideo, attempt: Attempt, service: Service
    ) -> Listed | Failure | None:
        """Look once, and record the acceptance if the job is found.

        Returns:
            The job; None if a list that was read to its end does not show it; a failure if that
            cannot be told.
        """
        cursor, ambiguous = "", None
        order = replace(attempt.order, prompt=tracked.video.prompt)
        doubt = Doubt(order, attempt.id, attempt.intended_at - _SKEW)
        for _ in range(_PAGES):
            page = await self._client.find(doubt, cursor, service.upstream)
            if isinstance(page, Failure):
                return page
            candidates = [job for job in page.jobs if _is_candidate(job, tracked, attempt)]
            claimed = (
                await self._claim_one(tracked, attempt, service, candidates) if candidates else None
            )
            if isinstance(claimed, Listed):
                return claimed
            ambiguous = ambiguous or claimed
            if not page.cursor or not page.jobs or _is_before(page.jobs[-1], attempt):
                is_place = adapter_for(service.upstream).features.mark is Mark.PLACE
                return ambiguous or (_NOTHING_THERE if is_place else None)
            if page.cursor == cursor:
                break  # the list ignores the cursor
            cursor = page.cursor
        return _NO_END

    async def _claim_one(
        self,
        tracked: TrackedVideo,
        attempt: Attempt,
        service: Service,
        candidates: Sequence[Listed],
    ) -> Listed | Failure | None:
        """Claim one of the jobs that may be the attempt's."""
        # A reload may have removed the service itself.
        services = self._services_of(service.upstream.id) | {service.id}
        since = self._clock.now() - attempt.send_within - attempt.answer_within
        pending = await self._attempts.unanswered_since(
            services, tracked.video.prompt, since, attempt.id
        )
        taken = await self._attempts.jobs_of_other_attempts(
            services, [each.job.id for each in candidates], attempt.id
        )
        free = [each for each in candidates if each.job.id not in taken]
        for each in free:
            is_ours = each.mark == attempt.id or (
                _plain(each.prompt) == _plain(tracked.video.prompt)
                and _has_ordered_measures(each, tracked, attempt)
                and not _may_belong_to_pending(each, pending)
            )
            now = self._clock.now()
            change = change_of_job(
                AttemptEvent.SHOWN, attempt, service, each.step, now, job=each.job
            )
            if is_ours and await self._journal.record(tracked, change, listing=services):
                return each
        return _AMBIGUOUS if free else None


def _is_candidate(listed: Listed, tracked: TrackedVideo, attempt: Attempt) -> bool:
    """Tell whether a job may be the one: by our mark if the list shows it, else by its order."""
    if listed.mark:
        return listed.mark == attempt.id
    is_same_model = _is_model(listed.step.made.model, attempt.model)
    is_other = listed.differs or not is_same_model or not listed.job.id
    if is_other or _is_before(listed, attempt):
        return False
    if listed.prompt:
        return _may_be_prompt(_plain(listed.prompt), _plain(tracked.video.prompt))
    return _has_ordered_measures(listed, tracked, attempt)


def _plain(prompt: str) -> str:
    """Return a prompt as an upstream may keep it: trimmed, its white space and letters unified."""
    return " ".join(unicodedata.normalize("NFC", prompt).split())


def _may_be_prompt(listed: str, ordered: str) -> bool:
    """Tell whether a listed prompt is the ordered one, or a list's short form of it."""
    begun = listed.removesuffix("…").removesuffix("...").rstrip()
    return listed == ordered or (len(begun) >= _MIN_SHORT_FORM and ordered.startswith(begun))


def _is_model(listed: str, ordered: str) -> bool:
    is_dated = listed.startswith(ordered) and _SNAPSHOT.fullmatch(listed, len(ordered)) is not None
    return is_dated or listed in {"", ordered}


def _has_ordered_measures(listed: Listed, tracked: TrackedVideo, attempt: Attempt) -> bool:
    """Tell whether a job has the ordered length and size, as far as the list shows them."""
    if tracked.video.params.operation is not Operation.CREATE:
        return True  # its measures are those of the source, which are not ordered
    made, ordered = listed.step.made, attempt.order
    return made.seconds in {0, ordered.seconds} and made.size in {"", ordered.size}


def _may_belong_to_pending(listed: Listed, pending: Iterable[datetime]) -> bool:
    """Tell whether a create sent before the job was created still waits for its response."""
    made_at = listed.created_at
    return any(made_at is None or sent_at <= made_at + _SKEW for sent_at in pending)


def _is_before(listed: Listed, attempt: Attempt) -> bool:
    created_at = listed.created_at
    return created_at is not None and created_at < attempt.intended_at - _SKEW
