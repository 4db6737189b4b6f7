"""What an attempt ordered beside length and size; what a video's request said of what is made."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_PAGE = 1000


def upgrade() -> None:
    """Add the column, and write the measures of requests in place of the fields left out."""
    op.add_column("attempts", sa.Column("ordered", sa.Text, nullable=False, server_default="{}"))
    connection = op.get_bind()
    videos = sa.table("videos", *map(sa.column, ("id", "seconds", "size", "params")))
    change = (
        sa.update(videos)
        .where(videos.c.id == sa.bindparam("key"))
        .values(params=sa.bindparam("new"))
    )
    query = sa.select(videos).order_by(videos.c.id).limit(_PAGE)
    page = connection.execute(query).all()
    while page:
        changed = [{"key": id_, "new": _params(*rest)} for id_, *rest in page]
        connection.execute(change, changed)
        page = connection.execute(query.where(videos.c.id > page[-1].id)).all()


def _params(seconds: int, size: str, text: str) -> str:
    params: dict[str, object] = json.loads(text)
    defaulted = params.pop("defaulted_fields", ())
    base = params.get("base_seconds", 0)
    assert isinstance(base, int)  # noqa: S101  # as it was written
    asked = {"seconds": seconds - base, "size": size}
    assert isinstance(defaulted, list | tuple)  # noqa: S101
    if isinstance(reference := params.get("reference"), list):
        is_film = params.get("operation", "create") in {"edit", "extend"}
        reference += ["source", "video"] if is_film else ["first_frame", "image"]
    if measures := {name: each for name, each in asked.items() if name not in defaulted}:
        params["measures"] = measures
    return json.dumps(params, ensure_ascii=False)
