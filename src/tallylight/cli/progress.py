"""Shows the progress of a video: a bar on a terminal, otherwise a line at each change."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tallylight.cli.shared import print_error
from tallylight.i18n import Translator

if TYPE_CHECKING:
    from tallylight.client.video_state import VideoHandleBase

_STEP = 10  # percent; a job that reports each percent must not fill a log

ProgressCallback = Callable[["VideoHandleBase"], None]


@contextmanager
def progress_display(to: Translator) -> Iterator[ProgressCallback]:
    """Yield a callback that shows the progress of a video on standard error."""
    if not sys.stderr.isatty():
        yield _line_display(to)
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
        task = bar.add_task(to.gettext("requesting"), total=100)

        def show(video: "VideoHandleBase") -> None:
            bar.update(task, description=_progress_text(video, to), completed=video.progress)

        yield show


def _line_display(to: Translator) -> ProgressCallback:
    last = ""

    def show(video: "VideoHandleBase") -> None:
        nonlocal last
        reached = video.progress // _STEP * _STEP
        line = f"{video.id} · {_progress_text(video, to)} · {reached} %"
        if line != last:
            print_error(line)
        last = line

    return show


def _progress_text(video: "VideoHandleBase", to: Translator) -> str:
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
