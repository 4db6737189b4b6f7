from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallylight.i18n import Language, translator
from tallylight.i18n.labels import (
    access_label,
    blocked_message,
    depth_label,
    failure_label,
    source_label,
    status_description,
    status_label,
)
from tallylight.i18n.reasons import reason_sentence
from tallylight.model.evidence import Depth, FailureKind, Source
from tallylight.model.status import Access, Status
from tallylight.model.verdict import Block, Reason, ReasonCode

AT = datetime(2026, 1, 28, 13, 51, tzinfo=UTC)
EN, HANT = translator(Language.EN), translator(Language.ZH_HANT)
SINCE = "2026-01-28T09:00:00+00:00"

CASES: list[tuple[ReasonCode, dict[str, str | int | float], str]] = [
    (
        ReasonCode.JOBS_DELIVERED,
        {"last_at": SINCE, "seconds": 74.0, "delivered": 5, "of": 6, "minutes": 30},
        (
            "Latest video delivered 28 Jan at 09:00 UTC in 1 min 14 s "
            "(5 of 6 delivered within 30 min)."
        ),
    ),
    (
        ReasonCode.JOBS_FAILING,
        {"failed": 4, "of": 4, "since": SINCE, "seconds": 600, "answer": "no accounts"},
        (
            "Jobs have been failing since 28 Jan at 09:00 UTC (4 of 4 failed); "
            "last error on 28 Jan at 13:51 UTC: “no accounts”"
        ),
    ),
    (
        ReasonCode.JOBS_PARTLY_FAILING,
        {"failed": 3, "of": 12, "share": 0.25, "seconds": 1800},
        "Some jobs fail (3 of 12 failed, within 30 min).",
    ),
    (
        ReasonCode.JOBS_SLOW,
        {"typical_seconds": 250.0, "median_seconds": 80.0, "times": 3.1, "of": 9},
        "Videos take 3.1 times as long as usual (4 min 10 s; the median is 1 min 20 s).",
    ),
    (
        ReasonCode.JOBS_OVERDUE,
        {"jobs": 1, "sent_at": SINCE, "seconds": 240, "median_seconds": 61.0},
        "A job sent on 28 Jan at 09:00 UTC had no video after 4 min (the median is 1 min 1 s).",
    ),
    (
        ReasonCode.JOBS_OVERDUE,
        {"jobs": 2, "sent_at": SINCE, "seconds": 240},
        "2 jobs are overdue; the last, sent on 28 Jan at 09:00 UTC, had no video after 4 min.",
    ),
    (
        ReasonCode.NO_RECENT_JOBS,
        {"last_at": SINCE, "hold_seconds": 21600},
        "No job has ended since 28 Jan at 09:00 UTC.",
    ),
    (
        ReasonCode.API_RESPONDING,
        {"answers": 9},
        "The API responds, most recently on 28 Jan at 13:51 UTC.",
    ),
    (
        ReasonCode.API_RECOVERED,
        {"answers": 9, "since": SINCE},
        (
            "The API has answered again since 28 Jan at 09:00 UTC; "
            "whether videos arrive is not checked."
        ),
    ),
    (
        ReasonCode.API_DOWN,
        {"failed": 3, "of": 3, "since": SINCE, "http_status": 502},
        "All checks have failed since 28 Jan at 09:00 UTC (3 of 3 failed, HTTP 502).",
    ),
    (
        ReasonCode.RISK_CONTROL_SUSPECTED,
        {"signs": 2, "first_at": SINCE, "first_rule": "page:challenge"},
        (
            "Two independent signs indicate risk control "
            "(first on 28 Jan at 09:00 UTC, most recently on 28 Jan at 13:51 UTC)."
        ),
    ),
    (
        ReasonCode.MAINTENANCE_SCHEDULED,
        {"until": "2026-01-28T16:00:00+00:00", "note": "database upgrade"},
        (
            "Maintenance is announced from 28 Jan at 13:51 UTC to 28 Jan at 16:00 UTC: "
            "“database upgrade”."
        ),
    ),
    (
        ReasonCode.FEED_NOT_OPERATIONAL,
        {"says": "degraded", "since": SINCE, "note": "Elevated errors"},
        (
            "The official status page has reported “Degraded” since 28 Jan at 09:00 UTC: "
            "“Elevated errors”."
        ),
    ),
    (
        ReasonCode.SHUTDOWN_AHEAD,
        {"date": "2026-09-24", "certain": 1, "replacement": "omni"},
        (
            "The model will be shut down on 24 September 2026 "
            "(the provider names omni as the replacement)."
        ),
    ),
    (
        ReasonCode.SHUTDOWN_AHEAD,
        {"date": "2026-09-24", "certain": 0},
        "The model may be shut down from 24 September 2026 on.",
    ),
    (
        ReasonCode.RETIREMENT_REPORTED,
        {"times": 3, "since": SINCE, "answer": "model_not_found"},
        (
            "The API has reported since 28 Jan at 09:00 UTC that the model does not exist "
            "(3 times); "
            "last error on 28 Jan at 13:51 UTC: “model_not_found”"
        ),
    ),
    (
        ReasonCode.RETIREMENT_REPORTED,
        {"times": 2, "since": SINCE, "rule": "models:not_listed"},
        "The list of models has lacked the model since 28 Jan at 09:00 UTC (2 times).",
    ),
    (
        ReasonCode.BALANCE_EMPTY,
        {"http_status": 402},
        "Our balance or quota is used up (HTTP 402, most recently on 28 Jan at 13:51 UTC).",
    ),
    (
        ReasonCode.RATE_LIMITED,
        {"times": 4, "since": SINCE, "own_pace": 0, "retry_seconds": 1800, "http_status": 429},
        (
            "Each order has been refused as one too many since 28 Jan at 09:00 UTC, and we are "
            "asked to wait 30 min (4 times, HTTP 429, most recently on 28 Jan at 13:51 UTC)."
        ),
    ),
    (
        ReasonCode.RATE_LIMITED,
        {"times": 4, "since": SINCE, "own_pace": 1},
        (
            "Orders have been refused as too many since 28 Jan at 09:00 UTC, maybe for our own "
            "pace (4 times, most recently on 28 Jan at 13:51 UTC)."
        ),
    ),
]


@pytest.mark.parametrize(("code", "facts", "expected"), CASES)
def test_a_reason_has_times_and_the_response(
    code: ReasonCode, facts: dict[str, str | int | float], expected: str
) -> None:
    assert reason_sentence(Reason(code, AT, facts), EN) == expected


def test_a_reason_is_translated_around_the_upstreams_response() -> None:
    facts: dict[str, str | int | float] = {"http_status": 403, "answer": "账号触发风控"}

    sentence = reason_sentence(Reason(ReasonCode.RISK_CONTROL_REPORTED, AT, facts), HANT)

    assert sentence == "上游自己說明是風控（HTTP 403）；1月28日 13:51 UTC 的回應：「账号触发风控」"


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        (
            Language.ZH_HANT,
            (
                "有 2 個任務逾時未完成；最近一個於 1月28日 09:00 UTC 送出，"
                "經過 4 分仍未送達影片（中位數為 1 分）。"
            ),
        ),
        (
            Language.ZH_HANS,
            (
                "有 2 个任务逾时未完成；最近一个于 1月28日 09:00 UTC 发出，"
                "经过 4 分仍未送达视频（中位数为 1 分）。"
            ),
        ),
    ],
)
def test_an_overdue_job_has_a_sentence_of_its_own(language: Language, expected: str) -> None:
    facts: dict[str, str | int | float] = {
        "jobs": 2,
        "sent_at": SINCE,
        "seconds": 240,
        "median_seconds": 60,
    }

    sentence = reason_sentence(Reason(ReasonCode.JOBS_OVERDUE, AT, facts), translator(language))

    assert sentence == expected


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("code", list(ReasonCode))
def test_every_reason_has_a_sentence_even_without_facts(
    code: ReasonCode, language: Language
) -> None:
    sentence = reason_sentence(Reason(code, AT), translator(language))

    assert sentence.endswith((".", "。"))
    assert "%" not in sentence


NAMES = sorted({name for _, facts, _ in CASES for name in facts})


@given(
    st.sampled_from(ReasonCode),
    st.dictionaries(
        st.sampled_from(NAMES),
        st.one_of(st.text(max_size=20), st.integers(0, 10**6), st.floats(0, 10**6)),
    ),
)
def test_no_fact_breaks_a_sentence(code: ReasonCode, facts: dict[str, str | int | float]) -> None:
    assert reason_sentence(Reason(code, AT, facts), EN)


def test_every_label_is_translated() -> None:
    spoken = [
        *((status_label(s, EN), status_label(s, HANT)) for s in Status),
        *((status_description(s, EN), status_description(s, HANT)) for s in Status),
        *((access_label(a, EN), access_label(a, HANT)) for a in Access),
        *((source_label(s, EN), source_label(s, HANT)) for s in Source),
        *((depth_label(d, EN), depth_label(d, HANT)) for d in Depth),
        *((failure_label(k, EN), failure_label(k, HANT)) for k in FailureKind),
        *((blocked_message(k, EN), blocked_message(k, HANT)) for k in Block),
    ]

    assert [english for english, chinese in spoken if english == chinese] == []
