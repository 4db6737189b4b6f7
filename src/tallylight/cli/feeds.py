"""`feeds`: the status pages of providers."""

from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.shared import (
    JsonOption,
    LangOption,
    output_translator,
    print_error,
    print_json,
    print_line,
    print_table,
    run_async,
)

if TYPE_CHECKING:
    from tallylight.catalogue.services import Feed
    from tallylight.i18n import Translator
    from tallylight.upstreams.feeds.page import StatusPage, StatusPageComponent

feeds_app = typer.Typer(no_args_is_help=True, help="Look at the status pages of providers.")


@feeds_app.callback()
def _group() -> None:
    pass  # keeps the group while it has a single command


@feeds_app.command("detect")
@run_async
async def detect_command(
    url: Annotated[str, typer.Argument(help="The address of a status page.")],
    json: JsonOption = False,
    lang: LangOption = None,
) -> int:
    """Find the format of a status page.

    Prints the lines for the configuration and the components that the page names. The exit code is
    1 if the page has no known format.
    """
    from tallylight.app.logs import configure_warnings_only
    from tallylight.catalogue.services import Feed, Upstream
    from tallylight.clock import SystemClock
    from tallylight.documents.addresses import parse_http_url
    from tallylight.model.ids import ProviderId, UpstreamId
    from tallylight.probes.feed_detection import detect_feed
    from tallylight.upstreams.feeds.detection import AUTO
    from tallylight.upstreams.transport import Transport

    try:
        feed = Feed(AUTO, parse_http_url(url if "://" in url else f"https://{url}"))
    except ValueError as error:
        raise typer.BadParameter(f"{url}: {error}") from None
    configure_warnings_only()
    upstream = Upstream(UpstreamId("feeds"), ProviderId("feeds"), feed.url, "", "", None)
    async with Transport(SystemClock()) as transport:
        detection = await detect_feed(feed, transport, upstream)
    if detection.feed is None or detection.page is None:
        print_error(detection.note)
        return 1
    if json:
        print_json(_document(detection.feed, detection.page))
    else:
        _print_text(detection.feed, detection.page, output_translator(lang))
    return 0


def _document(feed: "Feed", page: "StatusPage") -> dict[str, object]:
    return {
        "format": feed.format,
        "url": feed.url,
        "components": [
            {"id": row.id, "name": row.name, "status": row.status} for row in page.components
        ],
    }


def _print_text(feed: "Feed", page: "StatusPage", to: "Translator") -> None:
    print_line(f"feed: {{format: {feed.format}, url: {feed.url}}}")
    if page.components:
        headings = (to.gettext("Component"), to.gettext("Id"), to.gettext("Status"))
        print_table(headings, (_row(component, to) for component in page.components))
    else:
        print_line(to.gettext("The page lists no components."))


def _row(component: "StatusPageComponent", to: "Translator") -> tuple[str, str, str]:
    from tallylight.i18n.labels import status_label
    from tallylight.model.status import Status
    from tallylight.upstreams.redact import redact_line

    return (
        redact_line(component.name),
        redact_line(component.id),
        status_label(component.status or Status.UNKNOWN, to),
    )
