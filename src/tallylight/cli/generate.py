"""`generate`: generates one video, with failover, shows its progress and saves it."""

import asyncio
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from stat import S_ISDIR
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from tallylight.cli.shared import (
    ConfigOption,
    JsonOption,
    LangOption,
    output_translator,
    print_error,
    print_json,
    print_line,
)
from tallylight.documents.files import file_error_reason
from tallylight.errors import StorageError
from tallylight.gateway.routing.presets import Preference, Preset
from tallylight.i18n import Translator

if TYPE_CHECKING:
    from tallylight.client.async_video import AsyncVideoHandle
    from tallylight.client.async_video_client import AsyncVideoClient
    from tallylight.client.video_state import VideoHandleBase
    from tallylight.gateway.requests import ApiError

_FAILED, _BAD_USAGE, _INTERRUPTED = 1, 2, 130


@dataclass(frozen=True, slots=True)
class _GenerateOptions:
    """Options of one command."""

    prompt: str | None
    resume: str | None
    model: str
    seconds: int | None
    size: str
    policy: str
    reference: str | None
    out: Path | None
    force: bool
    config: Path | None
    json: bool
    idempotency_key: str


def generate_command(
    prompt: Annotated[str | None, typer.Argument(help="Prompt of the video.")] = None,
    seconds: Annotated[
        int | None,
        typer.Option(min=1, max=3600, help="Length in seconds (default: the service's own)."),
    ] = None,
    size: Annotated[
        str, typer.Option(help="Size, for example 1280x720 (default: the service's own).")
    ] = "",
    model: Annotated[str, typer.Option(help="Route (default: the only one, else sora-2).")] = "",
    purpose: Annotated[
        Preset | None,
        typer.Option("--for", help="Purpose of the video (default: the route's policy)."),
    ] = None,
    prefer: Annotated[Preference | None, typer.Option(help="Preference, instead of --for.")] = None,
    reference: Annotated[
        str | None, typer.Option(help="Reference picture: a file or its address.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write (default: ID.mp4).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
    resume: Annotated[
        str | None, typer.Option(metavar="ID", help="Fetch a video that was requested before.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Generate a video and save it.

    If a service fails, the next one of the route is tried. The exit code is 1 if all fail.
    """
    to = output_translator(lang)
    if (prompt is None) is (resume is None):
        raise typer.BadParameter(to.gettext("give a prompt or --resume ID"))
    if purpose is not None and prefer is not None:
        raise typer.BadParameter(to.gettext("--for and --prefer exclude each other"))
    task = _GenerateOptions(
        prompt=prompt,
        resume=resume,
        model=model,
        seconds=seconds,
        size=size,
        policy=str(purpose or prefer or ""),
        reference=reference,
        out=out,
        force=force,
        config=config,
        json=json,
        idempotency_key=f"generate-{uuid4().hex}",
    )
    _check_output_path(task, to)
    raise typer.Exit(asyncio.run(_generate(task, to)))


async def _generate(task: _GenerateOptions, to: Translator) -> int:
    from tallylight.app.logs import configure_warnings_only
    from tallylight.client.async_video_client import AsyncVideoClient
    from tallylight.gateway.requests import ApiError

    configure_warnings_only()
    async with AsyncVideoClient.from_config(task.config) as client:
        try:
            with _progress_display(to) as show:
                video = await _create_or_resume(client, task)
                await video.wait(on_progress=show)
        except ApiError as error:
            return _report_error(error, to)
        except asyncio.CancelledError:
            _absorb_cancellation()
            await _print_resume_hint(client, task, to)
            return _INTERRUPTED
        return await _save(video, task, to)


async def _create_or_resume(
    client: "AsyncVideoClient", task: _GenerateOptions
) -> "AsyncVideoHandle":
    """Return the video as soon as a service has accepted it."""
    if task.resume is not None:
        return await client.video(task.resume)
    try:
        return await client.create(
            task.prompt or "",
            model=task.model,
            seconds=task.seconds,
            size=task.size,
            policy=task.policy,
            reference=task.reference,
            idempotency_key=task.idempotency_key,
        )
    except OSError as error:
        why = f"{task.reference}: {file_error_reason(error)}"
        raise typer.BadParameter(why, param_hint="--reference") from None


async def _save(video: "AsyncVideoHandle", task: _GenerateOptions, to: Translator) -> int:
    """Save the file, print the result and return the exit code."""
    from tallylight.gateway.requests import ApiError
    from tallylight.i18n.prices import format_amount

    out = task.out or Path(f"{video.id}.mp4")
    saved: Path | None = None
    if video.error is None:
        try:
            saved = await video.save(out, mode="w" if task.force else "x")
        except (FileExistsError, StorageError, ApiError) as error:
            print_error(
                _exists_message(out, to) if isinstance(error, FileExistsError) else str(error)
            )
            print_error(to.gettext("Fetch it with: %s") % _resume_command(video.id, task))
    else:
        print_error(to.gettext("It failed: %s") % video.error.message)
    for name, change in video.substituted.items():
        print_error(
            to.gettext("Changed as the route allows: %(name)s %(change)s")
            % {"name": name, "change": change}
        )
    print_error(
        to.ngettext("%(count)d attempt, %(cost)s", "%(count)d attempts, %(cost)s", video.attempts)
        % {"count": video.attempts, "cost": format_amount(video.cost, to)}
    )
    if task.json:
        print_json(_video_json(video, saved))
    elif saved is not None:
        print_line(str(saved))
    return _FAILED if saved is None else 0


def _video_json(video: "AsyncVideoHandle", saved: Path | None) -> dict[str, object]:
    error = video.error
    return {
        "id": video.id,
        "status": video.status.value,
        "model": video.model,
        "seconds": video.seconds,
        "size": video.size,
        "service": video.service or None,
        "attempts": video.attempts,
        "cost_usd": None if video.cost is None else float(video.cost),
        "substituted": dict(video.substituted),
        "error": None if error is None else {"code": error.code, "message": error.message},
        "file": None if saved is None else str(saved),
    }


def _report_error(error: "ApiError", to: Translator) -> int:
    print_error(str(error))
    if error.retry_after is not None:
        seconds = round(error.retry_after.total_seconds())
        print_error(to.gettext("Retry in %d s.") % seconds)
    is_bad_request = error.param or error.status == HTTPStatus.BAD_REQUEST
    return _BAD_USAGE if is_bad_request else _FAILED


def _absorb_cancellation() -> None:
    """Clear the cancellation, or the next `await` would raise it again."""
    current = asyncio.current_task()
    if current is not None:
        current.uncancel()


async def _print_resume_hint(
    client: "AsyncVideoClient", task: _GenerateOptions, to: Translator
) -> None:
    known = task.resume
    if known is None:
        found = (
            video for video in await client.list() if video.idempotency_key == task.idempotency_key
        )
        known = next((video.id for video in found), None)
    if known is None:
        print_error(to.gettext("Interrupted before any request was sent."))
        return
    print_error(to.gettext("Interrupted; the service continues to generate video %s.") % known)
    print_error(to.gettext("Fetch it with: %s") % _resume_command(known, task))


def _resume_command(id_: str, task: _GenerateOptions) -> str:
    """Return the command that fetches a video."""
    from tallylight.app.invocation import own_command

    words = ["generate", "--resume", id_]
    words += ["--out", str(task.out)] if task.out is not None else []
    words += ["--config", str(task.config)] if task.config is not None else []
    return f"{own_command()} {shlex.join(words)}"


def _check_output_path(task: _GenerateOptions, to: Translator) -> None:
    """Refuse a file that cannot be written, before any service is paid."""
    out = task.out or (Path(f"{task.resume}.mp4") if task.resume else None)
    if out is None:
        return
    try:
        existing = out.stat()
    except FileNotFoundError:
        return
    except OSError as error:  # the name is too long, or its folder is a file
        raise typer.BadParameter(f"{out}: {file_error_reason(error)}", param_hint="--out") from None
    if S_ISDIR(existing.st_mode) or not task.force:
        raise typer.BadParameter(_exists_message(out, to), param_hint="--out")


def _exists_message(out: Path, to: Translator) -> str:
    return to.gettext("%s already exists; name another file or use --force") % out


_STEP = 10  # percent; a job that reports each percent must not fill a log

ProgressCallback = Callable[["VideoHandleBase"], None]


@contextmanager
def _progress_display(to: Translator) -> Iterator[ProgressCallback]:
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
