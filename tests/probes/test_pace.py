"""How often paid probes are sent, and what the reader is told of it."""

from datetime import timedelta

import pytest

from tallylight.catalogue.pace import PaceInForce
from tallylight.catalogue.services import PaceBasis
from tallylight.i18n import Language, translator
from tallylight.status.views.probes import pace_text

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("pace", "text"),
    [
        (
            PaceInForce(PaceBasis.ABOUT, 6 * HOUR, 16.5 * HOUR),
            (
                "A paid probe every 16 h 30 min on average (the money of one every 6 h, spent "
                "where it finds the most outages); sees 18% of outages of 3 h."
            ),
        ),
        (
            PaceInForce(PaceBasis.AT_LEAST, 6 * HOUR, 6 * HOUR),
            "A paid probe at least every 6 h; sees 49% of outages of 3 h.",
        ),
        (
            PaceInForce(PaceBasis.AT_LEAST, 6 * HOUR, 12 * HOUR),
            (
                "A paid probe every 12 h, as the budget does not allow one every 6 h; sees 24% of "
                "outages of 3 h."
            ),
        ),
    ],
)
def test_the_pace_says_what_holds_and_what_it_sees(pace: PaceInForce, text: str) -> None:
    assert pace_text(pace, translator(Language.EN)) == text


def test_a_pace_of_two_and_a_half_hours_sees_every_outage_of_three() -> None:
    assert PaceInForce(PaceBasis.AT_LEAST, 2.5 * HOUR, 2.5 * HOUR).share_seen(3 * HOUR) == 1.0
