"""The Videos API that OpenAI offered until 2026-09-24, as relays and own servers offer it now.

A dialect is a profile: data, not code. The facts and their sources: `docs/protocols.md`.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from http import HTTPStatus

from tallylight.catalogue.wording import Wording, wording_for
from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.model.jobs import FREE, JobRef
from tallylight.model.order import Input, Order
from tallylight.upstreams.auth import Auth, SchemeAuth
from tallylight.upstreams.error_table import Errors
from tallylight.upstreams.json_access import text_at, unwrapped_object
from tallylight.upstreams.messages import ANY_STATUS, Phase, Reply, Request, get
from tallylight.upstreams.protocol import (
    Adapter,
    Definition,
    Doubt,
    Features,
    Flow,
    Mark,
    Site,
)
from tallylight.upstreams.protocols.forms import file_part
from tallylight.upstreams.protocols.model_list import check_models, reach_models
from tallylight.upstreams.protocols.not_billed import new_api_proves_not_billed
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.request_body import (
    VIDEOS_API_PROFILES,
    VideosApiProfile,
    request_body_for,
)
from tallylight.upstreams.protocols.video_object import OTHER_ID, VideoObjectReader
from tallylight.upstreams.status_words import StatusMeaning, video_object_status
from tallylight.upstreams.steps import Accepted, Failed, Missing, Page, Step, Working

_ERRORS = Errors()
_NEW_API_ERRORS = Errors(is_free=new_api_proves_not_billed)

_PAGE_SIZE = 50

_CANCELLED = Failure(FailureKind.UNKNOWN, Fault.OURS, "job:cancelled", "cancelled by us")


def _make(site: Site) -> Adapter:
    profile = VIDEOS_API_PROFILES[site.dialect]
    errors = _NEW_API_ERRORS if site.dialect == "new_api" else _ERRORS
    reader = VideoObjectReader(errors, site.base_url, profile.variants)
    wordings = {**site.wordings, "*": profile.wording}
    videos = _Videos(profile, wordings, reader)
    return Adapter(
        features=Features(
            operations=profile.operations,
            inputs=profile.inputs,
            wordings=wordings,
            mark=Mark.REQUEST if profile.lists_jobs else Mark.NONE,
        ),
        errors=errors,
        reach=reach_models,
        check=partial(check_models, errors),
        submit=videos.submit,
        accepted=videos.accepted,
        poll=videos.poll,
        find=videos.find if profile.lists_jobs else None,
        cancel=videos.cancel if profile.cancels else None,
        delete=videos.delete if profile.deletes else None,
        create_character=videos.create_character if profile.has_characters else None,
    )


class _Videos:
    """`/v1/videos` of one dialect."""

    def __init__(
        self,
        profile: VideosApiProfile,
        wordings: Mapping[str, Wording],
        reader: VideoObjectReader,
    ) -> None:
        self._profile = profile
        self._wordings = wordings
        self._reader = reader

    def submit(self, order: Order, mark: str) -> Request:  # noqa: ARG002  # none is kept
        """Return the paid request that starts a job."""
        wording = wording_for(self._wordings, order.model)
        body = request_body_for(order, wording, self._profile)
        return Request(
            Phase.CREATE, "POST", body.path, json=body.json, form=body.form, files=body.files
        )

    def accepted(self, order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG002
        """Return the job in the answer to a create."""
        found = self._reader.read(reply)
        return None if found is None else Accepted(found.job, found.step)

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for a job by its id, then by the other one that the create named."""
        step = yield from self._ask(job.id)
        other = job.extra.get(OTHER_ID, "")
        if isinstance(step, Missing) and other:
            found = yield from self._ask(other)
            return step if isinstance(found, Missing) else found
        return step

    def find(self, doubt: Doubt, cursor: str) -> Flow[Page | Failure]:  # noqa: ARG002
        """Return a page of the list of jobs; the cursor is the id of the last one before."""
        query = {"limit": str(_PAGE_SIZE), "order": "desc"} | ({"after": cursor} if cursor else {})
        reply = yield get(Phase.LIST, "/videos", query)
        jobs = self._reader.read_list(reply)
        if isinstance(jobs, Failure):
            return jobs
        return Page(jobs, jobs[-1].job.id if jobs else "")

    def cancel(self, job: JobRef) -> Flow[Step]:
        """Stop a job that has not ended."""
        step = yield from self.poll(job)
        if not isinstance(step, Working):
            return step
        if self._profile.cancels == "POST":
            reply = yield replace(self._deletion(job), method="POST", url=f"{_path(job.id)}/cancel")
            is_cancelled = reply.is_success and _says_cancelled(reply)
        else:
            reply = yield self._deletion(job)
            is_cancelled = reply.is_success and unwrapped_object(reply.body).get("deleted") is True
        return Failed(_CANCELLED, FREE) if is_cancelled else (yield from self.poll(job))

    def delete(self, job: JobRef) -> Flow[bool]:
        """Delete a finished job."""
        reply = yield self._deletion(job)
        return reply.is_success or reply.status == HTTPStatus.NOT_FOUND

    def create_character(self, name: str, video: Input) -> Flow[str | Failure]:
        """Create a character from the bytes of a video."""
        reply = yield Request(
            Phase.UPLOAD,
            "POST",
            "/videos/characters",
            form=(("name", name),),
            files=(file_part("video", video),),
        )
        answer = unwrapped_object(reply.body)
        id_ = "" if answer.get("error") else text_at(answer, "id")
        return id_ or self._reader.errors.failure(reply, "character:unreadable")

    def _ask(self, id_: str) -> Flow[Step]:
        # The HTTP status of vLLM-Omni's failed jobs is the job's error and not the server's.
        reply = yield get(Phase.POLL, _path(id_), reads=ANY_STATUS)
        found = self._reader.read(reply, id_)
        return (
            self._reader.errors.no_job(reply, "video:unreadable") if found is None else found.step
        )

    def _deletion(self, job: JobRef) -> Request:
        return Request(Phase.CANCEL, "DELETE", _path(job.id), reads=ANY_STATUS)


def _says_cancelled(reply: Reply) -> bool:
    word = text_at(unwrapped_object(reply.body), "status")
    return video_object_status(word) is StatusMeaning.CANCELLED


def _auth(site: Site) -> Auth:
    return SchemeAuth(VIDEOS_API_PROFILES[site.dialect].scheme)


def _path(id_: str) -> str:
    return f"/videos/{path_segment(id_)}"


DEFINITION = Definition(
    name="openai_videos", dialects=tuple(VIDEOS_API_PROFILES), make=_make, auth=_auth
)
