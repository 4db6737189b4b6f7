"""That the rules of ownership suffice, and that none of them is idle."""

from itertools import product

import pytest

from tests.jobs.ownership_model import Counterexample, Rules, Setting, Violation, search

WITH_LIST = Setting(has_list=True)
WITHOUT_LIST = Setting(has_list=False)


def shortest(rules: Rules, setting: Setting) -> Counterexample:
    """Return the shortest way to anything that must not happen."""
    return min(search(rules, setting).counterexamples, key=lambda found: len(found.steps))


@pytest.mark.parametrize(("has_list", "reads_apart"), list(product([True, False], repeat=2)))
def test_with_all_rules_nothing_is_paid_twice_or_lost(has_list: bool, reads_apart: bool) -> None:
    result = search(Rules(), Setting(has_list=has_list, reads_apart=reads_apart))

    assert result.counterexamples == ()
    assert result.states > 3000  # it has searched


@pytest.mark.parametrize("rule", Rules._fields)
def test_each_rule_that_is_taken_away_has_a_counterexample(rule: str) -> None:
    rules = Rules()._replace(**{rule: False})

    assert search(rules, WITH_LIST).counterexamples or search(rules, WITHOUT_LIST).counterexamples


@pytest.mark.parametrize("rule", ["patience_outlasts_the_create", "send_has_a_time_limit"])
def test_a_create_that_comes_after_the_list_was_read_is_paid_twice(rule: str) -> None:
    found = shortest(Rules()._replace(**{rule: False}), WITH_LIST)

    assert found.violation is Violation.PAID_TWICE
    assert set(found.steps[-2:]) == {"service 2: accepted", "service 1: accepted"}


def test_an_attempt_that_is_recorded_after_its_send_is_sent_again_by_the_next_owner() -> None:
    found = shortest(Rules(intent_is_written_first=False), WITH_LIST)

    assert found == Counterexample(
        Violation.PAID_TWICE,
        (
            "A chooses service 1",
            "A sends attempt 1",
            "B takes over",
            "B chooses service 1",
            "B sends attempt 1",
            "service 1: accepted",
            "service 1: accepted",
        ),
    )


def test_an_answer_that_its_hearer_may_not_write_is_lost() -> None:
    found = shortest(Rules(facts_need_nothing=False), WITH_LIST)

    assert found == Counterexample(
        Violation.ANSWER_DISCARDED,
        (
            "A chooses service 1",
            "A records attempt 1",
            "A sends attempt 1",
            "B takes over",
            "service 1: accepted",
            "A may not write accepted",
        ),
    )


@pytest.mark.parametrize("rule", ["decisions_are_guarded", "decisions_name_the_revision"])
def test_a_decision_from_old_knowledge_overrules_an_acceptance(rule: str) -> None:
    found = shortest(Rules()._replace(**{rule: False}), WITHOUT_LIST)

    assert found.violation is Violation.ACCEPTANCE_IGNORED
    assert found.steps[-2:] == (
        "A writes accepted of attempt 1",
        "B rules on attempt 1: close",
    )
