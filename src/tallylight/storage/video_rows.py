"""The row of a video: the values of its columns, and the video in them."""

import json
from dataclasses import asdict

from sqlalchemy import Row

from tallylight.model.ids import KeyId, ServiceId, VideoId
from tallylight.model.money import from_micro_usd, to_optional_micro_usd
from tallylight.model.order import Input, Medium, Operation, Role
from tallylight.model.video import CreateParams, Video, VideoError, VideoKind, VideoStatus
from tallylight.model.wish import NOTHING_ASKED, WishedMeasures
from tallylight.storage.attempts import made_from_row, made_values

_OPEN = asdict(NOTHING_ASKED)


def video_values(video: Video, token: str) -> dict[str, object]:
    """Return the row of a new video."""
    return {
        "id": video.id,
        "key": video.key,
        "model": video.model,
        "prompt": video.prompt,
        "seconds": video.seconds,
        "size": video.size,
        "params": _params_to_json(video.params),
        "idempotency_key": video.idempotency_key,
        "fingerprint": video.fingerprint,
        "created_at_us": video.created_at,
        "deadline_us": video.deadline,
        "kind": video.kind.value,
        "epoch": video.epoch,
        "written_by": token,
        **video_update_values(video),
    }


def video_update_values(video: Video) -> dict[str, object]:
    """Return the columns that change after a video was created."""
    return {
        "owner": video.owner,
        "revision": video.revision,
        "status": video.status.value,
        "progress": video.progress,
        "service": video.service,
        "attempts": video.attempts,
        "cost_micro_usd": to_optional_micro_usd(video.cost),
        "error_code": "" if video.error is None else video.error.code,
        "error_message": "" if video.error is None else video.error.message,
        "started_at_us": video.started_at,
        "ended_at_us": video.ended_at,
        "expires_at_us": video.expires_at,
        "asset": video.asset,
        "deleted_at_us": video.deleted_at,
        **made_values(video.made),
    }


def _params_to_json(params: CreateParams) -> str:
    values = {
        "measures": _set_measures(params.measures),
        "operation": "" if params.operation is Operation.CREATE else params.operation.value,
        "source": params.source,
        "inputs": [_input_values(each) for each in params.inputs],
        "input_asset": params.input_asset,
        "characters": params.characters,
        "extras": params.extras,
        "pinned_service": params.pinned_service,
        "policy": params.policy,
        "base_seconds": params.base_seconds,
    }
    return json.dumps({name: value for name, value in values.items() if value}, ensure_ascii=False)


def _set_measures(measures: WishedMeasures) -> dict[str, object]:
    return {name: each for name, each in asdict(measures).items() if each != _OPEN[name]}


def _input_values(each: Input) -> list[str]:
    return [each.url, each.media_type, each.name, each.role.value, each.medium.value]


def _input_from_values(values: list[str]) -> Input:
    url, media_type, name, role, medium = values
    return Input(url=url, media_type=media_type, name=name, role=Role(role), medium=Medium(medium))


def _params_from_json(text: str) -> CreateParams:
    if text == "{}":
        return CreateParams()
    values = json.loads(text)
    return CreateParams(
        measures=WishedMeasures(**values.get("measures", {})),
        operation=Operation(values.get("operation", Operation.CREATE)),
        source=VideoId(values.get("source", "")),
        inputs=tuple(map(_input_from_values, values.get("inputs", ()))),
        input_asset=values.get("input_asset", ""),
        characters=tuple(values.get("characters", ())),
        extras=values.get("extras", {}),
        pinned_service=ServiceId(values.get("pinned_service", "")),
        policy=values.get("policy", ""),
        base_seconds=values.get("base_seconds", 0),
    )


def video_from_row(row: Row[*tuple[object, ...]]) -> Video:
    """Return the video in a row."""
    is_failed = row.status == VideoStatus.FAILED.value
    return Video(
        id=VideoId(row.id),
        key=KeyId(row.key),
        model=row.model,
        prompt=row.prompt,
        seconds=row.seconds,
        size=row.size,
        created_at=row.created_at_us,
        deadline=row.deadline_us,
        params=_params_from_json(row.params),
        idempotency_key=row.idempotency_key,
        fingerprint=row.fingerprint,
        kind=VideoKind(row.kind),
        owner=row.owner,
        epoch=row.epoch,
        revision=row.revision,
        is_barred=row.is_barred,
        made=made_from_row(row),
        status=VideoStatus(row.status),
        progress=row.progress,
        service=ServiceId(row.service),
        attempts=row.attempts,
        cost=from_micro_usd(row.cost_micro_usd),
        error=VideoError(row.error_code, row.error_message) if is_failed else None,
        started_at=row.started_at_us,
        ended_at=row.ended_at_us,
        expires_at=row.expires_at_us,
        asset=row.asset,
        deleted_at=row.deleted_at_us,
    )
