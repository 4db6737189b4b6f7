"""How far a video is: a bar on a terminal, a line at each change everywhere else."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tallylight.cli.shared import complain
from tallylight.i18n import Translator

if TYPE_CHECKING:
    from tallylight.client.video_state import VideoFacts

_STEPS = 10  # of progress; a job that tells each percent shall not fill a log

Show = Callable[["VideoFacts"], None]


@contextmanager
def progress(to: Translator) -> Iterator[Show]:
    """Give what shows how far a video is, on standard error."""
    if not sys.stderr.isatty():
        yield _in_lines(to)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True, highlight=False)) as bar:
        task = bar.add_task(to.gettext("asking"), total=100)

        def show(video: "VideoFacts") -> None:
            bar.update(task, description=_where(video, to), completed=video.progress)

        yield show


def _in_lines(to: Translator) -> Show:
    last = ""

    def show(video: "VideoFacts") -> None:
        nonlocal last
        reached = video.progress // _STEPS * _STEPS
        line = f"{video.id} · {_where(video, to)} · {reached} %"
        if line != last:
            complain(line)
        last = line

    return show


def _where(video: "VideoFacts", to: Translator) -> str:
    from tallylight.model.video import VideoStatus

    words = {
        VideoStatus.QUEUED: to.gettext("queued"),
        VideoStatus.IN_PROGRESS: to.gettext("in progress"),
        VideoStatus.COMPLETED: to.gettext("completed"),
        VideoStatus.FAILED: to.gettext("failed"),
    }
    parts = [words[video.status], video.service]
    if video.attempts > 1:
        parts.append(to.gettext("attempt %d") % video.attempts)
    return " · ".join(filter(None, parts))
