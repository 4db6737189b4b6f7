"""Prints how fact sheets and a price map differ."""

from collections.abc import Sequence
from itertools import islice

from tallylight.catalogue.price_differences import PriceDifference, SheetComparison
from tallylight.cli.shared import print_error, print_line, print_table
from tallylight.i18n import Translator

_MAX_ROWS = 200


def print_comparison(found: SheetComparison, compared: int, to: Translator) -> None:
    """Print a table of what differs, then what only one side has; at most 200 lines of each."""
    if found.differences:
        headings = (
            to.gettext("Model"),
            to.gettext("What"),
            to.gettext("Fact sheet"),
            to.gettext("File"),
        )
        shown = found.differences[:_MAX_ROWS]
        print_table(headings, (_cells(each, to) for each in shown))
        _print_rest(len(found.differences), to)
    for heading, ids in (
        (to.gettext("Only in the catalogue"), found.only_ours),
        (to.gettext("Only in the file"), found.only_theirs),
        (to.gettext("Priced by another unit, not compared"), found.incomparable),
    ):
        _print_list(heading, ids, to)
    if found.is_equal:
        print_line(to.gettext("The catalogue and the file say the same."))
    print_error(
        to.ngettext(
            "%d model of the file is of a known provider",
            "%d models of the file are of known providers",
            compared,
        )
        % compared
    )


def _cells(difference: PriceDifference, to: Translator) -> tuple[str, str, str, str]:
    match difference.field:
        case "shutdown":
            what = to.gettext("shutdown")
        case "input image":
            what = to.gettext("price of an input image")
        case "*":
            what = to.gettext("price")
        case resolution:
            what = to.gettext("price of %s") % resolution
    missing = to.gettext("none")
    return difference.id, what, difference.ours or missing, difference.theirs or missing


def _print_list(heading: str, ids: Sequence[str], to: Translator) -> None:
    if ids:
        print_line()
        print_line(heading)
        for each in islice(ids, _MAX_ROWS):
            print_line(f"  {each}")
        _print_rest(len(ids), to)


def _print_rest(number: int, to: Translator) -> None:
    if number > _MAX_ROWS:
        rest = number - _MAX_ROWS
        print_line(to.ngettext("and %d more", "and %d more", rest) % rest)
