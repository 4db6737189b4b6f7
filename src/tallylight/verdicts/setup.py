"""Setup problems: what a wrong base_url or model name looks like before a service ever answered.

A host that does not exist, https spoken to a port of http, a path that is not the API's, and a
model that the key cannot use look the same as an outage. On a service that has never answered well
they say that its configuration is wrong; once it has, the same failures count as evidence.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum

from tallylight.model.evidence import FREE_SOURCES, NOT_LISTED_RULE, Evidence, Failure, Source
from tallylight.verdicts.layer_state import FailureRecord
from tallylight.verdicts.named_failures import failure_record
from tallylight.verdicts.state import ServiceState


class SetupProblem(StrEnum):
    """The part of the configuration that seems wrong."""

    HOST = "host"  # the name of the host does not resolve
    SCHEME = "scheme"  # http is spoken to a port of https, or https to one of http
    ADDRESS = "address"  # there is something else than the API
    MODEL = "model"  # the key cannot use it


_BY_RULE: Mapping[str, SetupProblem] = {
    "exception:name": SetupProblem.HOST,
    "page:web-interface": SetupProblem.ADDRESS,
    "page:page": SetupProblem.ADDRESS,
    "words:wrong-path": SetupProblem.ADDRESS,
    NOT_LISTED_RULE: SetupProblem.MODEL,
}
_OTHER_SCHEME = re.compile(
    r"wrong[_ ]version[_ ]number|record[_ ]layer[_ ]failure|\bssl: http_request\b"
    r"|http request (?:was sent )?to (?:an )?https (?:port|server)",
    re.IGNORECASE,
)
_ORDER_SOURCES = frozenset({Source.GENERATION, Source.TRAFFIC, Source.ACCEPTANCE})
_SEEN_BY_REACH = frozenset({SetupProblem.HOST, SetupProblem.SCHEME})


def setup_problem(failure: Failure | FailureRecord) -> SetupProblem | None:
    """Return the part of the configuration that a failure of a free probe points at."""
    if _OTHER_SCHEME.search(failure.text):
        return SetupProblem.SCHEME
    return _BY_RULE.get(failure.rule)


def is_setup_evidence(state: ServiceState, evidence: Evidence) -> bool:
    """Tell whether evidence speaks of our configuration instead of the service."""
    return _problem_in(state, evidence) is not None


def apply_setup_evidence(state: ServiceState, evidence: Evidence) -> ServiceState:
    """Return the state after evidence that speaks of our configuration."""
    return replace(state, setup=failure_record(evidence))


def explains(state: ServiceState, evidence: Evidence) -> bool:
    """Tell whether a setup problem explains a failed order, so that it is no evidence.

    An order at a wrong address, or of a model that the key cannot use, fails as in an outage. A
    refused key is told all the same.
    """
    return (
        state.setup is not None
        and state.is_unanswered
        and evidence.is_bad
        and evidence.source in _ORDER_SOURCES
    )


def after_other_evidence(state: ServiceState, evidence: Evidence) -> ServiceState:
    """Return the state after any other evidence, without a problem that it disproves."""
    source, answered = evidence.source, state.answered_by
    if source in {Source.FEED, Source.CALENDAR, Source.SIBLING}:
        return state
    if evidence.is_good and state.is_unanswered:
        answered = source
    problem = None if state.setup is None else setup_problem_of(state.setup)
    stays = source is Source.REACH and problem not in _SEEN_BY_REACH
    record = state.setup if stays else None
    if answered is state.answered_by and record is state.setup:
        return state
    return replace(state, answered_by=answered, setup=record)


def setup_problem_of(record: FailureRecord) -> SetupProblem:
    """Return the part of the configuration that a recorded problem points at.

    Whatever the failure was: if another address was found that answers, this one is wrong.
    """
    return setup_problem(record) or SetupProblem.ADDRESS


def _problem_in(state: ServiceState, evidence: Evidence) -> SetupProblem | None:
    if evidence.failure is None or evidence.source not in FREE_SOURCES:
        return None
    problem = setup_problem(evidence.failure)
    if problem is None and evidence.note:
        problem = SetupProblem.ADDRESS
    has_answered = state.answered_by is not None and (
        problem in _SEEN_BY_REACH or not state.is_unanswered
    )
    return None if has_answered else problem
