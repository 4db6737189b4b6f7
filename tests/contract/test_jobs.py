"""A create becomes a job, and the job becomes its files."""

from collections.abc import Callable
from pathlib import Path

from tallylight.model.order import Medium
from tallylight.upstreams.media_types import is_film
from tests.contract.services import everywhere
from tests.contract.site import Site

At = Callable[[str], Site]


@everywhere
async def test_a_create_ends_as_one_job_whose_own_file_is_on_disk(
    at: At, name: str, tmp_path: Path
) -> None:
    site = at(name)

    job, done = await site.delivered()
    media_type = await site.fetch(job, done, tmp_path / "result")

    assert isinstance(media_type, str), media_type
    assert is_film(media_type) == (site.service.sheet.medium is Medium.VIDEO)
    assert (tmp_path / "result").stat().st_size > 100
    assert len(site.jobs) == 1
