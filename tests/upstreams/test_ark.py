"""What Ark's adapter makes of odd answers, and by which signs it knows a task again."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tallylight.catalogue.services import Upstream
from tallylight.model.jobs import FREE, JobRef
from tallylight.model.order import Order
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.protocols.ark import ArkOptions
from tallylight.upstreams.protocols.registry import PROTOCOLS, adapter_for
from tallylight.upstreams.protocols.result_life import expires_after
from tallylight.upstreams.steps import Accepted, Done, Failed, Page
from tests.builders import SERVICE
from tests.upstreams.flows import MARK, ORDER, read_create, read_list, read_poll, submitted

MAKER = replace(SERVICE.upstream, protocol="ark", dialect="ark")
RESOLD = replace(MAKER, dialect="resold")
WITHOUT_IDENTIFIER = replace(MAKER, options=ArkOptions(send_identifier=False))
SEEDED = replace(ORDER, seed=7)
TASK = {"id": "cgt-1", "model": "m", "status": "running", "created_at": 1_790_000_000}


def answer(body: object, phase: Phase = Phase.POLL) -> Reply:
    return Reply(phase, 200, {}, json.dumps(body))


def sent(upstream: Upstream, order: Order = ORDER) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(submitted(upstream, order).json)
    return body


def mark_of(upstream: Upstream, order: Order, **task: object) -> str:
    page = read_list(upstream, answer({"total": 1, "items": [TASK | task]}, Phase.LIST), order)
    assert isinstance(page, Page)
    (listed,) = page.jobs
    assert listed.created_at == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    assert listed.prompt == ""
    return listed.mark


DRAWN = sent(MAKER)["seed"]


def test_the_safe_dialect_comes_first_and_sends_no_sign() -> None:
    assert PROTOCOLS["ark"].dialects[0] == "resold"
    assert not {"seed", "safety_identifier"} & sent(RESOLD).keys()


def test_a_create_at_the_maker_carries_our_mark_and_a_seed_that_is_drawn_from_it() -> None:
    assert sent(MAKER)["safety_identifier"] == MARK
    assert 0 <= DRAWN < 2**32
    assert sent(MAKER, SEEDED)["seed"] == 7
    other = json.loads(adapter_for(MAKER).submit(ORDER, "attempt_2").json)
    assert other["seed"] != DRAWN


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ({"safety_identifier": MARK}, MARK),
        ({"safety_identifier": MARK, "seed": 5}, MARK),
        ({"seed": DRAWN}, MARK),
        ({"seed": DRAWN, "safety_identifier": "hashed by the maker"}, MARK),
        ({"safety_identifier": "another"}, "another"),
        ({"seed": 5}, ""),
        ({}, ""),
    ],
)
def test_a_task_is_known_by_either_sign(task: dict[str, object], expected: str) -> None:
    assert mark_of(MAKER, ORDER, **task) == expected


def test_the_seed_of_a_caller_is_no_sign() -> None:
    assert mark_of(MAKER, SEEDED, seed=7) == ""
    assert mark_of(MAKER, SEEDED, seed=DRAWN) == ""
    assert mark_of(MAKER, SEEDED, safety_identifier=MARK) == MARK


def test_without_the_identifier_anothers_one_rules_nothing_out() -> None:
    assert "safety_identifier" not in sent(WITHOUT_IDENTIFIER)
    assert mark_of(WITHOUT_IDENTIFIER, ORDER, safety_identifier="another") == ""
    assert mark_of(WITHOUT_IDENTIFIER, ORDER, seed=DRAWN) == MARK


def test_an_endpoint_names_no_model_since_it_hides_which_one_answers() -> None:
    order = replace(ORDER, model="ep-1")
    done = {"content": {"video_url": "https://a.test/1.mp4"}, "status": "succeeded"}

    found = read_create(MAKER, answer({"id": "cgt-1"}, Phase.CREATE), order)

    assert isinstance(found, Accepted)
    by_endpoint = read_poll(MAKER, answer(TASK | done), job=found.job)
    by_model = read_poll(MAKER, answer(TASK | done))
    assert isinstance(by_endpoint, Done)
    assert isinstance(by_model, Done)
    assert (by_endpoint.made.model, by_model.made.model) == ("", "m")


def test_a_result_expires_a_day_after_its_task_has_ended() -> None:
    task = TASK | {
        "status": "succeeded",
        "updated_at": 1_790_000_000,
        "duration": 5,
        "content": {"video_url": "https://a.test/1.mp4", "last_frame_url": "https://a.test/1.png"},
    }

    step = read_poll(MAKER, answer(task))

    assert isinstance(step, Done)
    assert step.expires_at == datetime(2026, 9, 22, 14, 13, 20, tzinfo=UTC)
    assert [(each.kind, each.is_sold) for each in step.outputs] == [
        ("video", True),
        ("last_frame", False),
    ]
    assert (
        expires_after(253_402_300_799, step.expires_at - datetime(2026, 9, 21, tzinfo=UTC)) is None
    )


@pytest.mark.parametrize(
    ("task", "rule", "usage"),
    [
        ({"status": "cancelled"}, "", FREE),
        ({"status": "expired"}, "table:expired", None),
        ({"status": "succeeded", "content": None}, "table:expired", None),
        ({"status": "failed", "error": None}, "", None),
    ],
)
def test_a_task_that_ended_without_a_film_has_failed(
    task: dict[str, object], rule: str, usage: object
) -> None:
    step = read_poll(MAKER, answer(TASK | task), job=JobRef("cgt-1"))

    assert isinstance(step, Failed)
    assert step.usage == usage
    assert rule in {"", step.failure.rule}
