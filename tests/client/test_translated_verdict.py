"""Verdicts tell themselves: as a sentence, and in a notebook as a table of lamps."""

from collections.abc import Callable
from dataclasses import fields, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tallylight import AsyncMonitor
from tallylight.client.translated_verdict import (
    VerdictsById,
    translated,
    translated_transition,
)
from tallylight.config.settings import Configuration
from tallylight.i18n import Language
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Reason, ReasonCode, Transition, Verdict
from tests.builders import NOON

VERDICT = Verdict(
    ServiceId("sora-2"),
    Status.SUSPENDED,
    NOON,
    0.97,
    (Reason(ReasonCode.SUSPENSION_REPORTED, NOON, {"answer": "<b>paused</b> & out"}),),
)
CONFIGURATION = """\
upstreams: {{u: {{provider: saygm, base_url: "https://u.example"}}}}
services: {{s: {{upstream: u, model: minimax/h3}}}}
database: {{url: "sqlite:///{folder}/history.db"}}
status: {{language: {language}}}
"""

Load = Callable[..., Configuration]


class Cells(HTMLParser):
    """Collects the texts of a table, by row."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, _attrs: object) -> None:
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        self.rows[-1][-1] += data


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        (Language.EN, "sora-2 is “Suspended”: The upstream reports that it is paused; "),
        (Language.ZH_HANT, "sora-2 目前為「暫停」："),
        (Language.ZH_HANS, "sora-2 目前为“暂停”："),
    ],
)
def test_a_verdict_is_a_sentence_in_a_language(language: Language, sentence: str) -> None:
    told = str(translated(VERDICT, language))

    assert told.startswith(sentence)
    assert "\n" not in told


def test_a_translated_verdict_is_otherwise_the_verdict() -> None:
    told = translated(VERDICT, Language.ZH_HANT)

    assert [getattr(told, each.name) for each in fields(VERDICT)] == [
        getattr(VERDICT, each.name) for each in fields(VERDICT)
    ]
    assert told == translated(VERDICT, Language.EN)


def test_a_notebook_shows_a_table_of_lamps_and_escapes_what_upstreams_say() -> None:
    well = replace(VERDICT, service=ServiceId("h3"), status=Status.OPERATIONAL)
    board = VerdictsById([VERDICT, well], Language.EN)

    html = board._repr_html_()
    shown = Cells(html)

    assert [row[:2] for row in shown.rows] == [
        ["State", "Service"],
        ["🔴 Suspended", "sora-2"],
        ["🟢 Operational", "h3"],
    ]
    assert "“<b>paused</b> & out”" in shown.rows[1][3]
    assert shown.tags == {"table", "thead", "tbody", "tr", "th", "td"}
    assert html.startswith('<table lang="en">')
    assert Cells(board["h3"]._repr_html_()).rows == [shown.rows[0], shown.rows[2]]


def test_a_transition_is_told_in_the_same_language() -> None:
    after = replace(VERDICT, status=Status.OPERATIONAL)

    told = translated_transition(
        Transition(VERDICT.service, NOON, NOON, VERDICT, after), Language.ZH_HANS
    )

    assert str(told.before).startswith("sora-2 目前为“暂停”")
    assert str(told.after).startswith("sora-2 目前为“正常”")


@pytest.mark.parametrize(
    ("of_the_page", "of_the_monitor", "told"),
    [("en", None, "s is "), ("zh-TW", None, "s 目前為"), ("zh-Hant", "zh-CN", "s 目前为")],
)
async def test_a_monitor_tells_in_its_language(
    load: Load, tmp_path: Path, of_the_page: str, of_the_monitor: str | None, told: str
) -> None:
    configuration = load(CONFIGURATION.format(language=of_the_page, folder=tmp_path))

    async with AsyncMonitor(configuration, language=of_the_monitor) as monitor:
        verdicts = await monitor.verdicts()
        summary = await monitor.summary()
        english = await monitor.summary("en")

    assert str(verdicts["s"]).startswith(told)
    assert ("Unknown" in summary) is told.isascii()
    assert "Unknown" in english


def test_a_language_that_is_not_there_is_refused(load: Load, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'fr' is not a valid Language"):
        AsyncMonitor(load(CONFIGURATION.format(language="en", folder=tmp_path)), language="fr")
