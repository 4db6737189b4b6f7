"""Images beside videos: several inputs of one request, and lists that skip what is no film."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_PAGE = 1000


def upgrade() -> None:
    """Write the input of each request as a list, and index the videos of a key by their kind."""
    op.drop_index("videos_of_key", "videos")
    op.create_index("videos_of_key", "videos", ["key", "kind", "created_at_us", "id"])
    connection = op.get_bind()
    videos = sa.table("videos", *map(sa.column, ("id", "params")))
    change = (
        sa.update(videos)
        .where(videos.c.id == sa.bindparam("key"))
        .values(params=sa.bindparam("new"))
    )
    query = sa.select(videos).where(videos.c.params != "{}").order_by(videos.c.id).limit(_PAGE)
    page = connection.execute(query).all()
    while page:
        changed = [{"key": id_, "new": _params(text)} for id_, text in page]
        connection.execute(change, changed)
        page = connection.execute(query.where(videos.c.id > page[-1].id)).all()


def _params(text: str) -> str:
    params: dict[str, object] = json.loads(text)
    if (reference := params.pop("reference", None)) is not None:
        params["inputs"] = [reference]
    if (asset := params.pop("reference_asset", None)) is not None:
        params["input_asset"] = asset
    return json.dumps(params, ensure_ascii=False)
