"""`adopt`: a copied, restored or promoted database is now the one that counts."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.shared import (
    ConfigOption,
    JsonOption,
    LangOption,
    output_translator,
    print_error,
    print_json,
    print_line,
    print_table,
    run_async,
)
from tallylight.i18n import Translator

if TYPE_CHECKING:
    from tallylight.storage.adoption import PendingAdoption
    from tallylight.storage.identity import Trait

_SHOWN_VIDEOS = 20


@run_async
async def adopt_command(
    yes: Annotated[bool, typer.Option("--yes", help="Adopt it without asking.")] = False,
    config: ConfigOption = None,
    json: JsonOption = False,
    lang: LangOption = None,
) -> int:
    """Let a copied or restored database count.

    Servers then send again for the videos that were under way when it was copied, restored or
    promoted.
    """
    from tallylight.app.logs import configure_warnings_only
    from tallylight.clock import SystemClock
    from tallylight.config.settings import load_configuration
    from tallylight.storage.adoption import adopt_database, pending_adoption
    from tallylight.storage.database import open_storage
    from tallylight.storage.database_address import require_database

    to, configuration = output_translator(lang), load_configuration(config)
    configure_warnings_only()
    require_database(configuration.database_url)
    async with open_storage(configuration.database_url, SystemClock()) as history:
        pending = await pending_adoption(history.connections, _SHOWN_VIDEOS)
        if not json:
            _print_pending(pending, to)
        is_adopted = pending is not None and (yes or (not json and _is_confirmed(to)))
        if is_adopted:
            await adopt_database(history.connections)
    if json:
        print_json(_pending_json(pending) | {"adopted": is_adopted})
    if pending is None:
        return 0
    if is_adopted:
        done = to.ngettext(
            "Adopted. Servers continue %d video.",
            "Adopted. Servers continue %d videos.",
            pending.count,
        )
        print_error(done % pending.count)
        return 0
    print_error(to.gettext("Nothing was changed. Run `tallylight adopt --yes` to adopt it."))
    return 2


def _is_confirmed(to: Translator) -> bool:
    """Ask, if there is a terminal to ask at."""
    return sys.stdin.isatty() and typer.confirm(to.gettext("Adopt this database?"), err=True)


def _print_pending(pending: "PendingAdoption | None", to: Translator) -> None:
    from tallylight.i18n.formatting import format_moment_short

    if pending is None:
        print_line(to.gettext("No video waits for this database to be adopted."))
        return
    print_line(to.gettext("This database is not where it was, or not what it was:"))
    print_table(
        (to.gettext("Property"), to.gettext("Before"), to.gettext("Now")),
        ((_trait_label(each.trait, to), each.before, each.after) for each in pending.differences),
    )
    print_line()
    held = to.ngettext(
        "Nothing is sent for %d video that was under way:",
        "Nothing is sent for %d videos that were under way:",
        pending.count,
    )
    print_line(held % pending.count)
    print_table(
        (
            to.gettext("Video"),
            to.gettext("Service"),
            to.gettext("Newest attempt"),
            to.gettext("Created"),
        ),
        (
            (each.id, each.service, each.state, format_moment_short(each.created_at, to))
            for each in pending.videos
        ),
    )
    more = pending.count - len(pending.videos)
    if more:
        print_line(to.ngettext("and %d more", "and %d more", more) % more)
    print_line()
    print_line(
        to.gettext(
            "Adopt it only if no server uses another copy. What was sent after this copy was made"
            " is not known here: a video may be paid for twice."
        )
    )


def _trait_label(trait: "Trait", to: Translator) -> str:
    from tallylight.storage.identity import Trait

    labels = {
        Trait.MACHINE: to.gettext("Machine"),
        Trait.FILESYSTEM: to.gettext("File system"),
        Trait.DEVICE: to.gettext("Disk"),
        Trait.FILE: to.gettext("File"),
        Trait.CONTENT: to.gettext("Content (an older copy)"),
        Trait.CLUSTER: to.gettext("PostgreSQL cluster"),
        Trait.TIMELINE: to.gettext("Timeline (a standby was promoted, or a backup restored)"),
        Trait.DATABASE: to.gettext("Database"),
        Trait.TABLES: to.gettext("Tables (a dump was restored)"),
    }
    return labels[trait]


def _pending_json(pending: "PendingAdoption | None") -> dict[str, object]:
    if pending is None:
        return {"changes": [], "barred": 0, "videos": []}
    return {
        "changes": [
            {"property": each.trait.value, "before": each.before, "after": each.after}
            for each in pending.differences
        ],
        "barred": pending.count,
        "videos": [
            {
                "id": each.id,
                "service": each.service,
                "state": each.state,
                "created_at": each.created_at.isoformat(),
            }
            for each in pending.videos
        ],
    }
