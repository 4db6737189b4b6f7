"""Classifies a reply: the order in which the tables of rules are read.

A code says more than a type, a type more than text, text more than a number that many causes
share. An outer envelope is only read if no rule matches an inner one.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from http import HTTPStatus

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.classify import (
    challenges,
    codes,
    delays,
    numeric_codes,
    pages,
    phrases_ours,
    phrases_upstream,
    statuses,
    transport_errors,
    vocabulary,
)
from tallylight.upstreams.classify.answer import Claim, ParsedReply
from tallylight.upstreams.classify.chat_transcript import ChatTranscript
from tallylight.upstreams.classify.reading import parse_chat, parse_reply
from tallylight.upstreams.classify.rules import Rule, RuleMatch
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.redact import redact_line
from tallylight.upstreams.status_words import StatusMeaning

_UNREADABLE = Rule("unreadable", FailureKind.UNKNOWN, "labelling convention: unparsable 200")
_EMPTY = Rule("empty", FailureKind.UNKNOWN, "labelling convention: unparsable 200")
_NO_SAMPLE = Rule("no-sample", FailureKind.CONTENT_REJECTED, "Gemini API: done without a sample")
_NO_ANSWER = Rule("no-answer", FailureKind.UNKNOWN, "neither a status nor an exception")
_STREAM_CUT = Rule("cut", FailureKind.DEGRADED, "sora2api: a stream without [DONE] has failed")
_NO_RESULT = Rule("no-result", FailureKind.DEGRADED, "sora2api: no URL at [DONE] is a failure")
_REFUSAL = Rule("refusal", FailureKind.DEGRADED, "sora2api: ❌ reports a failed generation")
_FAILED = Rule("failed", FailureKind.DEGRADED, "labelling convention: generic failures")
_ERROR = Rule("error", FailureKind.UNKNOWN, "an error without any detail")
_EXPIRED = Rule("expired", FailureKind.DEGRADED, "Ark, OpenRouter: the job was never finished")
_CANCELLED = Rule("cancelled", FailureKind.UNKNOWN, "the job was cancelled")
_LOST = Rule("lost", FailureKind.INVALID_REQUEST, "DashScope: a task id is forgotten after 24 h")

_STATE_RULES: Mapping[StatusMeaning | None, Rule] = {
    StatusMeaning.FAILED: _FAILED,
    StatusMeaning.EXPIRED: _EXPIRED,
    StatusMeaning.CANCELLED: _CANCELLED,
    StatusMeaning.LOST: _LOST,
}
_QUOTA_RULES = frozenset(
    each.rule for each in phrases_ours.BALANCE if each.rule.kind is FailureKind.QUOTA
)
_SYMPTOM_RULES = {
    "stream:cut": _STREAM_CUT,
    "stream:refusal": _REFUSAL,
    "body:no-sample": _NO_SAMPLE,
}
#: They report that something failed: a job, or the request that they answer.
_FAILED_WORK_RULES = frozenset({*codes.FAILED_WORK_CODES, phrases_upstream.FAILED_WORK_PHRASE.rule})
_TEXT_SYMPTOMS = frozenset({"body:page", "body:text"})
#: Phases whose requests need no result in the body.
_PHASES_WITHOUT_RESULT = frozenset({Phase.CANCEL, Phase.REACH})


def classify(reply: Reply) -> Failure | None:
    """Return the failure of a request, None if it did not fail.

    None proves that the service accepted or finished work, or that the answer is harmless: a list
    of models, a running job. A reach probe only asks whether the API responds: there, a refusal of
    the request is no failure.
    """
    if reply.status is None:
        rule = transport_errors.exception_rule(reply.error) if reply.error else _NO_ANSWER
        return _failure(reply, RuleMatch("exception", rule), reply.error, None)
    return _failure_in(reply, parse_reply(reply, reply.status))


def classify_chat(chat: ChatTranscript) -> Failure | None:
    """Return the failure of a streamed chat that has ended, None if it holds a result."""
    reply = Reply(Phase.STREAM, HTTPStatus.OK, {}, chat.document)
    return _failure_in(reply, parse_chat(reply.phase, HTTPStatus.OK, chat))


def _failure_in(reply: Reply, answer: ParsedReply) -> Failure | None:
    match = _edge_match(reply, answer) or _first_match(answer, reply)
    if match is None or (reply.phase is Phase.REACH and not _means_api_down(match.rule)):
        return None
    return _failure(reply, match, answer.text, answer)


def _means_api_down(rule: Rule) -> bool:
    return rule.effective_fault is Fault.UPSTREAM and rule.kind is not FailureKind.UNKNOWN


def _failure(reply: Reply, rule_match: RuleMatch, text: str, answer: ParsedReply | None) -> Failure:
    rule = rule_match.rule
    return Failure(
        kind=rule.kind,
        fault=_resolved_fault(rule, answer),
        rule=f"{rule_match.matched_on}:{rule.name}",
        text=redact_line(text),
        names_state=rule.named,
        http_status=reply.status,
        retry_after=delays.retry_after(reply.headers, answer) if answer else None,
    )


def _resolved_fault(rule: Rule, answer: ParsedReply | None) -> Fault:
    is_their_key = (
        rule.kind is FailureKind.AUTH and answer is not None and answer.is_past_authentication
    )
    return Fault.UPSTREAM if is_their_key else rule.effective_fault


def _edge_match(reply: Reply, answer: ParsedReply) -> RuleMatch | None:
    """Return the match on an answer of a proxy or a bot protection before the service."""
    if reply.phase is Phase.FEED:
        return None
    if challenges.announces_challenge(reply):
        return RuleMatch("page", pages.CHALLENGE)
    rule = pages.edge_rule(reply) if answer.symptom in _TEXT_SYMPTOMS else None
    return RuleMatch("page", rule) if rule else None


def _first_match(answer: ParsedReply, reply: Reply) -> RuleMatch | None:
    match answer.claim:
        case Claim.SUCCEEDED:
            rule = statuses.fallback_status_rule(answer.http_status)
            return RuleMatch("status", rule) if rule else None
        case Claim.UNREADABLE:
            return _match_without_result(answer, reply)
        case Claim.FAILED:
            has_retry = "retry-after" in reply.headers
            return next(_matches(answer, has_retry=has_retry), RuleMatch("body", _ERROR))


def _matches(answer: ParsedReply, *, has_retry: bool) -> Iterator[RuleMatch]:
    """Yield the matching rules of a failed answer, best first."""
    if answer.effective_status == statuses.PAYMENT_REQUIRED and has_retry:
        yield RuleMatch("status", statuses.BUDGET_IN_FLIGHT)
    steps: tuple[tuple[str, Callable[[], Rule | None]], ...] = (
        ("code", lambda: _of_pace(codes.specific_code_rule(answer.codes), answer)),
        ("type", lambda: _of_pace(codes.specific_code_rule(answer.types), answer, _QUOTA_RULES)),
        ("number", lambda: _of_pace(numeric_codes.specific_number_rule(answer), answer)),
        ("words", lambda: _specific_phrase_rule(answer)),
        ("number", lambda: numeric_codes.generic_number_rule(answer)),
        ("status", lambda: statuses.specific_status_rule(answer.effective_status, answer.phase)),
        (
            "words",
            lambda: _about_work(vocabulary.generic_phrase_rule(answer.normalized_text), answer),
        ),
        ("code", lambda: _about_work(codes.generic_code_rule(answer.codes), answer)),
        ("type", lambda: codes.generic_code_rule(answer.types)),
        ("stream", lambda: _SYMPTOM_RULES.get(answer.symptom)),
        ("status", lambda: statuses.fallback_status_rule(answer.effective_status)),
        ("state", lambda: _STATE_RULES.get(answer.state)),
    )
    for matched_on, find_rule in steps:
        rule = find_rule()
        if rule is not None:
            yield RuleMatch(matched_on, rule)


def _of_pace(
    rule: Rule | None, answer: ParsedReply, of_text: Collection[Rule] = phrases_ours.LONG_LIMITS
) -> Rule | None:
    """Return a specific rule, unless its code says "too many" and the text "per day".

    The codes of rate limits are used for limits of any period, and only the text names it. Their
    types are those of any 429, also of one for an empty balance.
    """
    if rule is None or rule.kind is not FailureKind.RATE_LIMITED:
        return rule
    by_text = vocabulary.specific_phrase_rule(answer.normalized_text)
    return None if by_text in of_text else rule


def _specific_phrase_rule(answer: ParsedReply) -> Rule | None:
    """Return the rule of a specific phrase in the text.

    "Exceeds the limit" under a 429 is no bad parameter: such a status is more reliable. A page is
    the answer of a proxy, which knows nothing about prompts and parameters.
    """
    rule = vocabulary.specific_phrase_rule(answer.normalized_text)
    if rule is None or (answer.is_page and rule.effective_fault is Fault.CALLER):
        return None
    is_overruled = rule.kind is FailureKind.INVALID_REQUEST
    return (
        None if is_overruled and answer.effective_status in statuses.NEVER_INVALID_REQUEST else rule
    )


def _about_work(rule: Rule | None, answer: ParsedReply) -> Rule | None:
    """Return a vague rule, unless it takes the failure of a request for that of a job.

    `cancel_failed` under a 400 reports that the request failed.
    """
    return None if rule in _FAILED_WORK_RULES and answer.is_refused_request_about_job else rule


def _match_without_result(answer: ParsedReply, reply: Reply) -> RuleMatch | None:
    """Return the match on a success status whose body shows no result."""
    redirect = statuses.fallback_status_rule(answer.http_status)
    if redirect is not None:
        return RuleMatch("status", redirect)
    if answer.phase in _PHASES_WITHOUT_RESULT:
        return None
    if answer.is_page:
        return _match_on_page(answer, reply)
    if answer.symptom == "stream:no-result":
        return _match_on_chat(answer)
    if answer.phase is Phase.FEED and answer.symptom == "body:text":
        return None
    return RuleMatch("body", _SYMPTOM_RULES.get(answer.symptom) or _unreadable_rule(answer))


def _unreadable_rule(answer: ParsedReply) -> Rule:
    return _EMPTY if answer.symptom == "body:empty" else _UNREADABLE


def _match_on_page(answer: ParsedReply, reply: Reply) -> RuleMatch:
    """Return the match on a page with a success status, such as a notice or a web interface."""
    rule = vocabulary.phrase_rule(answer.normalized_text)
    if rule is not None and rule.named:
        return RuleMatch("words", rule)
    return RuleMatch("page", pages.unexpected_page_rule(reply.body))


def _match_on_chat(answer: ParsedReply) -> RuleMatch | None:
    """Return the match on a chat that ended without a result, by its text if a phrase matches."""
    rule = vocabulary.phrase_rule(answer.normalized_text)
    if rule is not None and answer.normalized_text:
        return RuleMatch("words", rule)
    is_harmless = answer.phase in {Phase.PROBE, Phase.LIST} and bool(answer.normalized_text)
    return None if is_harmless else RuleMatch("stream", _NO_RESULT)
