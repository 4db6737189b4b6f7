"""Finds the protocol, the dialect and the path of an API by the free checks of all protocols."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from tallylight.catalogue.services import Upstream
from tallylight.discovery.candidates import (
    ApiCandidate,
    ApiKey,
    KnownApis,
    candidate_rounds,
)
from tallylight.discovery.proof import (
    AskedQuestion,
    CheckedCandidate,
    Proof,
    accepts_key,
    ranked,
)
from tallylight.discovery.questions import FreeQuestions, NotedAnswer
from tallylight.documents.addresses import is_loopback, parse_http_url
from tallylight.upstreams.client import RequestSender, run_flow
from tallylight.upstreams.messages import Phase, Reply, get
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.upstreams.steps import CheckOutcome

MOST_QUESTIONS = 120
"""The most requests of one search."""

_NO_PATH = "/tallylight-asks-for-what-is-not-there"
_SOME_MODEL = "video-1"
_FOUND = frozenset({Proof.ANSWERED, Proof.NO_MONEY, Proof.DENIED})


@dataclass(frozen=True, slots=True)
class FoundApi:
    """What a search of an address came to.

    Args:
        fits: What may be spoken there, the likeliest first; several if they answer alike.
        problem: Why there is none, or what is wrong with the key; "" for nothing.
        question_count: How many requests were sent.
    """

    fits: tuple[CheckedCandidate, ...] = ()
    problem: str = ""
    question_count: int = 0

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        """Return the upstreams that it may be, the likeliest first."""
        return tuple(each.candidate.upstream for each in self.fits)


async def find_api(
    address: str, key: ApiKey | None, known: KnownApis, sender: RequestSender
) -> FoundApi:
    """Find out what answers at an address; nothing is ever created, and nothing is paid.

    Args:
        address: Where the API is, more or less: with or without its path.
        key: The key; None for a server without one.
        known: The protocols, the providers, and the models to ask for.
        sender: What sends.
    """
    try:
        base = parse_http_url(address if "://" in address else f"https://{address}")
    except ValueError as error:
        return FoundApi(problem=f"{address} {error}")
    if key is not None and base.startswith("http:") and not is_loopback(base):
        return FoundApi(problem=f"{base} would send the key unencrypted; use https")
    questions = FreeQuestions(sender, MOST_QUESTIONS)
    seen: list[CheckedCandidate] = []
    for candidates in candidate_rounds(base, key, known):
        if not candidates:
            continue
        first = await _elsewhere(candidates[0].upstream, questions)
        if first.status is None:
            break
        checked = [await _checked(each, known.models, questions) for each in candidates]
        fits = tuple(each for each in ranked(checked) if each.proof in _FOUND)
        if fits:
            return FoundApi(fits, _problem_of_money(fits[0]), questions.count)
        seen += checked
        if any(each.proof is Proof.KEY_REFUSED for each in checked):
            break
    return _not_found(base, seen, questions)


def _not_found(base: str, seen: Sequence[CheckedCandidate], questions: FreeQuestions) -> FoundApi:
    count, rest = questions.count, ranked(seen)
    if not seen:
        error = questions.noted[-1].reply.error
        return FoundApi((), f"{urlsplit(base).netloc} does not answer: {error}", count)
    if not rest:
        text = f"no API that is known here answers at {base}; write the address of its manual"
        return FoundApi((), text, count)
    if rest[0].proof is Proof.PUBLIC:
        public = tuple(each for each in rest if each.proof is Proof.PUBLIC)
        return FoundApi(public, "", count)
    at = rest[0].candidate.upstream.base_url
    return FoundApi((), f"the API at {at} refuses the key", count)


def _problem_of_money(fit: CheckedCandidate) -> str:
    if fit.proof is not Proof.NO_MONEY:
        return ""
    return f"the API at {fit.candidate.upstream.base_url} knows the key, but has no money for it"


async def _checked(
    candidate: ApiCandidate, models: Mapping[str, str], questions: FreeQuestions
) -> CheckedCandidate:
    upstream = candidate.upstream
    adapter = adapter_for(upstream)
    if adapter.features.check_may_bill:
        return CheckedCandidate(candidate, None, ())
    questions.may_post = candidate.is_of_profile
    before = len(questions.noted)
    model = models.get(upstream.protocol, _SOME_MODEL)
    ran = await run_flow(adapter.check(model), upstream, questions)
    outcome = ran.failure or ran.value
    noted = [each for each in questions.noted[before:] if each.request.is_signed]
    asked = [await _compared(each, candidate, outcome, questions) for each in noted]
    return CheckedCandidate(candidate, outcome, tuple(asked))


async def _compared(
    noted: NotedAnswer, candidate: ApiCandidate, outcome: CheckOutcome, questions: FreeQuestions
) -> AskedQuestion:
    """Return a question with the answers to those that tell what its own answer proves."""
    upstream = candidate.upstream
    # At its own host nothing else is spoken: the maker may deny all things alike.
    elsewhere = None if candidate.is_of_profile else await _elsewhere(upstream, questions)
    asked = AskedQuestion(noted.question, noted.reply, elsewhere=elsewhere)
    if upstream.key is None or not accepts_key(outcome) or not asked.is_special:
        return asked
    without_key = await questions.send(replace(noted.request, is_signed=False), upstream)
    return replace(asked, without_key=without_key)


async def _elsewhere(upstream: Upstream, questions: FreeQuestions) -> Reply:
    return await questions.send(get(Phase.PROBE, _NO_PATH), upstream)
