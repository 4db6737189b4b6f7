"""PixVerse's API: HTTP 200 for everything, numbers for states, and pictures by upload alone.

A create names a picture by the number that an upload gave, so a picture is handed over before the
attempt is recorded. There is no list, so a create in doubt counts as paid. The facts and their
sources: `docs/protocols/pixverse.md`.
"""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal

from tallylight.catalogue.wording import Measure, Spelling, Word, Wording, wording_for
from tallylight.documents.parsers import Money
from tallylight.documents.section import Section
from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef, Made, Usage
from tallylight.model.order import Form, Input, Medium, Order, Role
from tallylight.upstreams.auth import HeaderAuth
from tallylight.upstreams.error_table import Errors, Row
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply, Request, get, post_json
from tallylight.upstreams.protocol import Adapter, Definition, Features, Flow, Site
from tallylight.upstreams.protocols.forms import file_part
from tallylight.upstreams.protocols.paths import path_segment
from tallylight.upstreams.protocols.result_addresses import films_at
from tallylight.upstreams.steps import (
    Accepted,
    CheckOutcome,
    Done,
    Failed,
    Known,
    Missing,
    Step,
    Working,
)

_INPUTS = {(role, Medium.IMAGE): frozenset(Form) for role in (Role.FIRST_FRAME, Role.LAST_FRAME)}
_WORDING = Wording(
    words={
        Measure.MODEL: (Word("model"),),
        Measure.PROMPT: (Word("prompt"),),
        Measure.SECONDS: (Word("duration", Spelling.INTEGER),),
        Measure.RESOLUTION: (Word("quality", Spelling.CLASS),),
        Measure.ASPECT: (Word("aspect_ratio", Spelling.RATIO),),
        Measure.AUDIO: (Word("generate_audio_switch", Spelling.BOOLEAN),),
        Measure.SEED: (Word("seed", Spelling.INTEGER),),
        Measure.NEGATIVE: (Word("negative_prompt"),),
    },
    passes=frozenset({"camera_movement", "style", "water_mark"}),
    priced=frozenset(
        {"motion_mode", "template_id", "sound_effect_switch", "lip_sync_tts_switch"}
        | {"generate_multi_clip_switch"}
    ),
)
_GOOD = "0"
_BALANCE = "/account/balance"
_NO_ID = "0"
_DELETED, _QUEUED = "6", "9"


class PixverseOptions(Section):
    """What an upstream may set.

    Args:
        usd_per_credit: What a credit of the account costs, by which jobs are settled.
    """

    usd_per_credit: Money | None = Decimal("0.01")


def _codes(answer: JsonView) -> Iterable[str]:
    return (answer.text("ErrCode"),)


_ERRORS = Errors(
    codes=_codes,
    rows=(
        Row(FailureKind.AUTH, ("10003", "10004", "10005", "400012", "500020")),
        Row(FailureKind.RATE_LIMITED, ("500044",)),
        Row(FailureKind.QUOTA, ("500060", "500090")),
        Row(FailureKind.CONTENT_REJECTED, ("500054", "500063", "moderation_failed")),
        Row(FailureKind.UNKNOWN, ("500008", "deleted"), is_missing=True),
        Row(FailureKind.INVALID_REQUEST, ("4000*", "500030", "500031", "500032", "500033")),
        Row(FailureKind.INVALID_REQUEST, ("500042",)),
        Row(FailureKind.DEGRADED, ("500041", "500069", "generation_failed", "no_output")),
    ),
)


def _make(site: Site) -> Adapter:
    videos = _Videos(site)
    return Adapter(
        features=Features(inputs=_INPUTS, wordings=videos.wordings, checks_model=False),
        errors=_ERRORS,
        reach=lambda _: Request(Phase.REACH, "GET", _BALANCE, is_signed=False),
        check=_check,
        submit=videos.submit,
        accepted=videos.accepted,
        poll=videos.poll,
        upload=_upload,
    )


class _Videos:
    """The videos of one upstream."""

    def __init__(self, site: Site) -> None:
        self.wordings = {**site.wordings, "*": _WORDING}
        self._usd_per_credit = site.options_as(PixverseOptions).usd_per_credit

    def submit(self, order: Order, mark: str) -> Request:  # noqa: ARG002  # none is kept
        """Return the paid request; the path says which pictures it names."""
        body = wording_for(self.wordings, order.model).write(order)
        frames = {each.role: _number(each) for each in order.inputs}
        match frames:
            case {Role.FIRST_FRAME: first, Role.LAST_FRAME: last}:
                kind = "transition"
                body |= {"first_frame_img": first, "last_frame_img": last}
            case {Role.FIRST_FRAME: first}:
                kind = "img"
                body["img_id"] = first
            case _ if frames:
                raise LookupError("a last frame needs a first one")
            case _:
                kind = "text"
        return post_json(Phase.CREATE, f"/video/{kind}/generate", body)

    def accepted(self, order: Order, reply: Reply) -> Accepted | None:  # noqa: ARG002
        """Return the video in the answer to a create, with its price."""
        answer = reply.json.at("Resp")
        id_ = answer.text("video_id") if reply.is_success else ""
        if id_ in {"", _NO_ID}:
            return None
        return Accepted(JobRef(id_), Working(usage=self._usage(answer)))

    def poll(self, job: JobRef) -> Flow[Step]:
        """Ask for a video."""
        reply = yield get(Phase.POLL, f"/video/result/{path_segment(job.id)}")
        answer = reply.json
        video = answer.at("Resp")
        word = video.text("status") if answer.text("ErrCode") == _GOOD else ""
        if not word:
            return _ERRORS.no_job(reply, "video:unreadable")
        if word == _DELETED:
            return Missing(_ERRORS.named("deleted", "the video was deleted"))
        return self._step(word, video)

    def _step(self, word: str, video: JsonView) -> Known:
        usage = self._usage(video)
        match word:
            case "1":
                return self._done(video, usage)
            case "7":
                return Failed(_ERRORS.named("moderation_failed", "it was moderated"), usage)
            case "8":
                return Failed(_ERRORS.named("generation_failed", "it was not made"), usage)
            case _:
                return Working(word != _QUEUED, usage=usage)

    def _done(self, video: JsonView, usage: Usage | None) -> Known:
        url = video.text("url")
        outputs = films_at([url], video)
        if not outputs:
            return Failed(_ERRORS.named("no_output", "no file was named"), usage)
        width, height = video.text("outputWidth"), video.text("outputHeight")
        size = f"{width}x{height}" if width.isdecimal() and height.isdecimal() else ""
        return Done(outputs, Made(size=size), usage)

    def _usage(self, answer: JsonView) -> Usage | None:
        told = (answer.number(name) for name in ("credits", "credit"))
        credits_ = next((each for each in told if each is not None), None)
        if not credits_ or self._usd_per_credit is None:
            return None  # a member that is not filled is 0
        return Usage(credits_ * self._usd_per_credit)


def _upload(picture: Input) -> Flow[Input | Failure]:
    """Hand a picture over; the answer has its number."""
    files = () if picture.url else (file_part("image", picture),)
    form = (("image_url", picture.url),) if picture.url else ()
    reply = yield Request(Phase.UPLOAD, "POST", "/image/upload", form=form, files=files)
    answer = reply.json
    number = answer.text("Resp.img_id") if answer.text("ErrCode") == _GOOD else ""
    if not number.isdecimal():
        return _ERRORS.failure(reply, "upload:unreadable")
    return replace(picture, handle=number)


def _number(picture: Input) -> int:
    if not picture.handle:
        raise LookupError("a picture has to be uploaded before it is ordered with")
    return int(picture.handle)


def _check(_: str) -> Flow[CheckOutcome]:
    """Ask for the credits that are left."""
    reply = yield get(Phase.PROBE, _BALANCE)
    answer = reply.json
    if answer.text("ErrCode") != _GOOD:
        return _ERRORS.failure(reply, "balance:unreadable")
    left = (answer.balance(f"Resp.{name}") for name in ("credit_monthly", "credit_package"))
    known = [each for each in left if each is not None]
    is_empty = bool(known) and sum(known) <= 0
    return _ERRORS.named("500090", "no credits are left") if is_empty else None


DEFINITION = Definition(
    name="pixverse",
    dialects=("pixverse",),
    make=_make,
    auth=lambda _: HeaderAuth("API-KEY", nonce_name="Ai-trace-id"),
    options=PixverseOptions,
)
