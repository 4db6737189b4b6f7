"""HTTP statuses: those with one meaning, and the meaning of the others if nothing else decides.

A 403 may be about a key, a balance, risk control or moderation, a 404 about a removed model or a
wrong URL: the number alone does not tell, hence UNKNOWN (labelling conventions of the corpus).
"""

from collections.abc import Mapping

from tallylight.model.evidence import FailureKind as Kind
from tallylight.upstreams.classify.rules import Rule
from tallylight.upstreams.messages import Phase

_RFC = "RFC 9110, section 15"
_CLOUDFLARE = "developers.cloudflare.com, Cloudflare 5xx errors"
_OPENAI = "OpenAI error-code guide"


def _table(source: str, kinds: Mapping[Kind, tuple[int, ...]]) -> dict[int, Rule]:
    return {
        status: Rule(str(status), kind, source)
        for kind, statuses in kinds.items()
        for status in statuses
    }


#: Statuses with one meaning; read after specific phrases and before generic codes.
SPECIFIC_STATUSES: Mapping[int, Rule] = (
    _table(
        _RFC,
        {
            Kind.AUTH: (401, 407),
            Kind.QUOTA: (402,),
            Kind.INVALID_REQUEST: (405, 406, 411, 413, 414, 415, 431, 501),
            Kind.RETIRED: (410,),
            Kind.RATE_LIMITED: (429,),
            Kind.DEGRADED: (408, 502, 504),
            Kind.UNKNOWN: (404,),
        },
    )
    | _table(_CLOUDFLARE, {Kind.DEGRADED: (520, 521, 522, 523, 524, 525, 526, 527, 530)})
    | {
        529: Rule("529", Kind.DEGRADED, "Anthropic overloaded_error, as relays pass it on"),
        455: Rule("455", Kind.MAINTENANCE, "docs.kie.ai", named=True),
    }
)

_FALLBACK_STATUSES: Mapping[int, Rule] = _table(
    _RFC,
    {
        Kind.INVALID_REQUEST: (400, 416, 417, 422, 428),
        Kind.UNKNOWN: (403, 451, 499),
        Kind.RATE_LIMITED: (425,),
    },
) | {409: Rule("409", Kind.DEGRADED, f"{_OPENAI}: lock conflict, to be retried")}

PAYMENT_REQUIRED = 402
#: Statuses that are never about the parameters of a request.
NEVER_INVALID_REQUEST = frozenset({401, 402, 429})
#: OpenRouter answers 402 with Retry-After only for a budget in flight, which clears by itself.
BUDGET_IN_FLIGHT = Rule(
    "402-with-retry-after", Kind.RATE_LIMITED, "openrouter.ai/docs/api_reference/errors"
)
#: A status that is about one job, not about the service, in answer to a poll or a download.
_NO_SUCH_JOB = Rule(
    "no-such-job", Kind.INVALID_REQUEST, "vLLM-Omni 0.30, OpenRouter, new-api video_proxy"
)
_JOB_PHASES = frozenset({Phase.POLL, Phase.CONTENT, Phase.CANCEL})
_JOB_STATUSES = frozenset({404, 409, 410, 422, 425})

_SERVER_ERROR = Rule("5xx", Kind.DEGRADED, _RFC)
_CLIENT_ERROR = Rule("4xx", Kind.UNKNOWN, _RFC)
_UNFOLLOWED_REDIRECT = Rule("3xx", Kind.UNKNOWN, "a redirect to a login or a parking page")
_FIRST_SERVER, _FIRST_CLIENT, _FIRST_REDIRECT = 500, 400, 300


def specific_status_rule(status: int, phase: Phase) -> Rule | None:
    """Return the rule of a status that has one meaning in this phase."""
    if phase in _JOB_PHASES and status in _JOB_STATUSES:
        return _NO_SUCH_JOB
    return SPECIFIC_STATUSES.get(status)


def fallback_status_rule(status: int) -> Rule | None:
    """Return the rule of any other status; None if it means no failure."""
    if status in _FALLBACK_STATUSES:
        return _FALLBACK_STATUSES[status]
    if status >= _FIRST_SERVER:
        return _SERVER_ERROR
    if status >= _FIRST_CLIENT:
        return _CLIENT_ERROR
    return _UNFOLLOWED_REDIRECT if status >= _FIRST_REDIRECT else None
