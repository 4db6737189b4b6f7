"""docs/python.md names each public attribute of what the Python library offers and returns."""

import re
from dataclasses import fields, is_dataclass
from http import HTTPStatus
from pathlib import Path

import pytest

import tallylight
from tallylight.client.made_images import MadeImage
from tallylight.client.service_history import ServiceHistory
from tallylight.client.translated_verdict import TranslatedVerdict
from tallylight.client.video_state import VideoFailedError
from tallylight.gateway.requests import ApiError
from tallylight.model.job_totals import JobTotals
from tallylight.model.verdict import Incident, IncidentUpdate, Reason, StatusInterval, Transition
from tallylight.model.video import VideoError
from tallylight.status.recommendation import (
    ExcludedService,
    RankedService,
    Recommendation,
    RecommendationQuery,
)
from tallylight.status.views.report import Report, ServiceReport
from tallylight.verdicts.availability import Availability
from tallylight.verdicts.report import ServiceFigures, Spells

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
NAMED = set(re.findall(r"[a-z_]\w*", " ".join(re.findall(r"`([^`\n]+)`", PAGE))))
FAILED = VideoError("rejected", "no")
OFFERED = [
    *(getattr(tallylight, name) for name in tallylight.__all__ if not name.endswith("Error")),
    *(
        TranslatedVerdict,
        Reason,
        Transition,
        Availability,
        Report,
        ServiceReport,
        ServiceFigures,
        Spells,
    ),
    *(ServiceHistory, StatusInterval, Incident, IncidentUpdate),
    *(Recommendation, RecommendationQuery, RankedService, ExcludedService),
    *(JobTotals, MadeImage, VideoError),
]


def own_names(class_: type) -> set[str]:
    """Return the public names of a class."""
    of_fields = {field.name for field in fields(class_)} if is_dataclass(class_) else set()
    return {name for name in of_fields | set(dir(class_)) if not name.startswith("_")}


@pytest.mark.parametrize("class_", OFFERED)
def test_each_public_attribute_is_named(class_: type) -> None:
    assert own_names(class_) - NAMED == set()


@pytest.mark.parametrize(
    "error", [ApiError(HTTPStatus.NOT_FOUND, "no"), VideoFailedError("video_1", FAILED)]
)
def test_each_fact_of_an_error_is_named(error: Exception) -> None:
    assert vars(error).keys() - NAMED == set()
