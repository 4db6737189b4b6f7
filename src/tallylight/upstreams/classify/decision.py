"""The order in which the rules are asked.

A code says more than a type, a type more than words, words more than a number that many causes
share. What an outer envelope says is only asked when the inner ones are silent.
"""

from collections.abc import Callable, Iterator

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.classify import (
    codes,
    delays,
    numeric_codes,
    pages,
    states,
    statuses,
    transport_errors,
    vocabulary,
)
from tallylight.upstreams.classify.answer import Answer, Claim
from tallylight.upstreams.classify.normalize import folded
from tallylight.upstreams.classify.reading import read
from tallylight.upstreams.classify.rules import Rule, Ruling
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.redact import scrub

_UNREADABLE = Rule("unreadable", FailureKind.UNKNOWN, "labelling convention: unparsable 200")
_EMPTY = Rule("empty", FailureKind.UNKNOWN, "labelling convention: unparsable 200")
_NO_SAMPLE = Rule("no-sample", FailureKind.CONTENT_REJECTED, "Gemini API: done without a sample")
_NO_ANSWER = Rule("no-answer", FailureKind.UNKNOWN, "neither a status nor an exception")
_CUT = Rule("cut", FailureKind.DEGRADED, "sora2api: a stream without [DONE] has failed")
_NO_RESULT = Rule("no-result", FailureKind.DEGRADED, "sora2api: no address at [DONE] is a failure")
_REFUSAL = Rule("refusal", FailureKind.DEGRADED, "sora2api: ❌ reports a failed generation")
_FAILED = Rule("failed", FailureKind.DEGRADED, "labelling convention: generic failures")
_ERROR = Rule("error", FailureKind.UNKNOWN, "an error of which nothing is known")
_EXPIRED = Rule("expired", FailureKind.DEGRADED, "Ark, OpenRouter: the job was never finished")
_CANCELLED = Rule("cancelled", FailureKind.UNKNOWN, "somebody ended the job")
_LOST = Rule("lost", FailureKind.INVALID_REQUEST, "DashScope: a task id is forgotten after 24 h")

_STATES = {
    states.FAILED: _FAILED,
    states.EXPIRED: _EXPIRED,
    states.CANCELLED: _CANCELLED,
    states.LOST: _LOST,
}
_SIGNS = {"stream:cut": _CUT, "stream:refusal": _REFUSAL, "body:no-sample": _NO_SAMPLE}
#: Phases whose request has no result that the body would have to show.
_SILENT_PHASES = frozenset({Phase.CANCEL, Phase.REACH})


def classify(reply: Reply, dialect: str = "") -> Failure | None:
    """Return what went wrong with a request, None if nothing did.

    None is proof that the service accepted or finished work, or an answer that is harmless: a
    list of models, a job still running. A reach probe only asks whether somebody answers: there
    a refusal of the request itself is no failure.

    Args:
        reply: What came back, or how nothing did.
        dialect: The upstream's dialect; only a hint for numeric codes that nothing else places.
    """
    if reply.status is None:
        rule = transport_errors.rule_of(reply.error) if reply.error else _NO_ANSWER
        return _failure(reply, Ruling("exception", rule), reply.error, None)
    answer = read(reply, reply.status, dialect)
    ruling = _edge(reply, answer) or _ruling(answer, reply)
    if ruling is None or (reply.phase is Phase.REACH and not _closes_the_door(ruling.rule)):
        return None
    return _failure(reply, ruling, answer.text, answer)


def _closes_the_door(rule: Rule) -> bool:
    return rule.blame is Fault.UPSTREAM and rule.kind is not FailureKind.UNKNOWN


def _failure(reply: Reply, ruling: Ruling, text: str, answer: Answer | None) -> Failure:
    rule = ruling.rule
    return Failure(
        kind=rule.kind,
        fault=_blame(rule, answer),
        rule=f"{ruling.by}:{rule.name}",
        text=scrub(text),
        named=rule.named,
        http_status=reply.status,
        retry_after=delays.retry_after(reply.headers, answer) if answer else None,
    )


def _blame(rule: Rule, answer: Answer | None) -> Fault:
    is_theirs = rule.kind is FailureKind.AUTH and answer is not None and answer.is_of_an_open_door
    return Fault.UPSTREAM if is_theirs else rule.blame


def _edge(reply: Reply, answer: Answer) -> Ruling | None:
    """Return the ruling on an answer that somebody before the service gave: a page, a bare line."""
    if not answer.sign.startswith("body:") or reply.phase is Phase.FEED:
        return None
    rule = pages.edge_rule(folded(reply.body), reply.headers)
    return Ruling("page", rule) if rule else None


def _ruling(answer: Answer, reply: Reply) -> Ruling | None:
    match answer.claim:
        case Claim.FINE:
            rule = statuses.left(answer.http_status)
            return Ruling("status", rule) if rule else None
        case Claim.NOTHING:
            return _ruling_on_nothing(answer, reply)
        case Claim.FAILED:
            has_retry = "retry-after" in reply.headers
            return next(_rulings(answer, has_retry=has_retry), Ruling("body", _ERROR))


def _rulings(answer: Answer, *, has_retry: bool) -> Iterator[Ruling]:
    """Yield the rulings on a failure, the one that counts first."""
    if answer.status == statuses.PAYMENT and has_retry:
        yield Ruling("status", statuses.IN_FLIGHT)
    steps: tuple[tuple[str, Callable[[], Rule | None]], ...] = (
        ("code", lambda: codes.telling(answer.codes)),
        ("type", lambda: codes.telling(answer.types)),
        ("number", lambda: numeric_codes.telling(answer)),
        ("words", lambda: _telling_words(answer)),
        ("number", lambda: numeric_codes.vague(answer)),
        ("status", lambda: statuses.telling(answer.status, answer.phase)),
        ("words", lambda: vocabulary.vague(answer.words)),
        ("code", lambda: codes.vague(answer.codes)),
        ("type", lambda: codes.vague(answer.types)),
        ("stream", lambda: _SIGNS.get(answer.sign)),
        ("status", lambda: statuses.left(answer.status)),
        ("state", lambda: _STATES.get(answer.state)),
    )
    for by, step in steps:
        rule = step()
        if rule is not None:
            yield Ruling(by, rule)


def _telling_words(answer: Answer) -> Rule | None:
    """Return the rule of the words that tell.

    "Exceeds the limit" under a 429 is no bad parameter: such a status knows better.
    """
    rule = vocabulary.telling(answer.words)
    is_overruled = rule is not None and rule.kind is FailureKind.INVALID_REQUEST
    return None if is_overruled and answer.status in statuses.NEVER_THE_REQUEST else rule


def _ruling_on_nothing(answer: Answer, reply: Reply) -> Ruling | None:
    """Return the ruling on a good status whose body shows no result."""
    redirect = statuses.left(answer.http_status)
    if redirect is not None:
        return Ruling("status", redirect)
    if answer.phase in _SILENT_PHASES:
        return None
    if answer.page:
        return _ruling_on_page(answer, reply)
    if answer.sign == "stream:no-result":
        return _ruling_on_talk(answer)
    if answer.phase is Phase.FEED and answer.sign == "body:text":
        return None
    return Ruling("body", _SIGNS.get(answer.sign) or _unreadable(answer))


def _unreadable(answer: Answer) -> Rule:
    return _EMPTY if answer.sign == "body:empty" else _UNREADABLE


def _ruling_on_page(answer: Answer, reply: Reply) -> Ruling:
    """Return the ruling on a page with a good status: a notice, a web interface, anything."""
    said = vocabulary.rule_of(answer.words)
    if said is not None and said.named:
        return Ruling("words", said)
    return Ruling("page", pages.interface_rule(reply.body))


def _ruling_on_talk(answer: Answer) -> Ruling | None:
    """Return the ruling on a chat that ended without a result: what it says, or that it failed."""
    said = vocabulary.rule_of(answer.words)
    if said is not None and answer.words:
        return Ruling("words", said)
    is_harmless = answer.phase in {Phase.PROBE, Phase.LIST} and bool(answer.words)
    return None if is_harmless else Ruling("stream", _NO_RESULT)
