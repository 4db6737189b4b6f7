"""`recommend`: the ranking of services for a request."""

from typing import TYPE_CHECKING, Annotated

import typer

from tallylight.cli.shared import (
    ConfigOption,
    JsonOption,
    LangOption,
    open_history,
    output_translator,
    print_error,
    print_json,
    print_line,
    print_table,
    run_async,
)
from tallylight.i18n import Translator

if TYPE_CHECKING:
    from tallylight.status.recommendation import Recommendation


@run_async
async def recommend_command(
    purpose: Annotated[
        str,
        typer.Option(
            "--for",
            help="Purpose of the videos: production, commercial, development, personal, "
            "high_volume, budget; or a preference: official, reverse, cheapest, fastest, "
            "most_reliable (default: the route's own, else commercial).",
        ),
    ] = "",
    seconds: Annotated[
        int | None,
        typer.Option(min=1, max=3600, help="Length in seconds (default: each service's own)."),
    ] = None,
    size: Annotated[
        str, typer.Option(help="Size, for example 1280x720 (default: each service's own).")
    ] = "",
    model: Annotated[str, typer.Option(help="Route (default: all services).")] = "",
    config: ConfigOption = None,
    json: JsonOption = False,
    lang: LangOption = None,
) -> int:
    """Rank the services for a request, with reasons.

    The exit code is 1 if no service can serve it.
    """
    from tallylight.app.recommend import board_recommender
    from tallylight.status.json_shapes import recommendation_response
    from tallylight.status.recommendation import RecommendationQuery, read_size

    pixels = read_size(size)
    if pixels is None:
        raise typer.BadParameter(f"{size} is not a size; write 1280x720", param_hint="--size")
    to, query = output_translator(lang), RecommendationQuery(purpose, seconds, pixels, model)
    async with open_history(config) as (configuration, clock, board, _):
        try:
            found = board_recommender(board, clock, lambda: configuration).recommend(query)
        except LookupError as error:
            raise typer.BadParameter(str(error)) from None
    if json:
        print_json(recommendation_response(found, to).model_dump(mode="json"))
    else:
        _print_recommendation(found, to)
    return 0 if found.ranked else 1


def _print_recommendation(recommendation: "Recommendation", to: Translator) -> None:
    from tallylight.status.views.recommendation import recommendation_view

    view = recommendation_view(recommendation, to)
    print_line(f"{view.purpose}: {view.policy_description}")
    print_line()
    if view.rows:
        headings = (
            "",
            to.gettext("Service"),
            to.gettext("State"),
            to.gettext("Request"),
            to.gettext("Price"),
            to.gettext("Success rate"),
            to.gettext("Cost per delivered video"),
            to.gettext("Expected time"),
        )
        rows = [
            (
                str(place),
                f"{each.name} ({each.id})",
                f"{each.status.icon} {each.status_label}",
                each.request,
                each.price,
                each.success_rate,
                each.cost_per_delivered,
                each.expected_time,
            )
            for place, each in enumerate(view.rows, start=1)
        ]
        print_table(headings, rows)
        print_line()
        for each in view.rows:
            for reason in each.reasons:
                print_line(f"{each.id}: {reason}")
        print_line(view.combined_success)
    else:
        print_error(to.gettext("No service can serve this request."))
    for out in view.excluded:
        print_line(f"{out.status.icon} {out.id}: {out.reason}")
