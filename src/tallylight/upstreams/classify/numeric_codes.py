"""Numeric codes, by the numbering scheme that gives them their meaning."""

from collections.abc import Mapping

from tallylight.model.evidence import FailureKind as Kind
from tallylight.upstreams.classify.answer import Envelope, NumericCode, ParsedReply
from tallylight.upstreams.classify.rules import Rule

_MINIMAX = "platform.minimax.io/docs/api-reference/errorcode"
_KIE = "docs.kie.ai; elibarnett/kie-mcp v4.0.6"
_RPC = "google.rpc.Code"

_KINDS: Mapping[Envelope, tuple[str, Mapping[Kind, tuple[int, ...]]]] = {
    Envelope.MINIMAX: (
        _MINIMAX,
        {
            Kind.DEGRADED: (1000, 1001, 1013, 1024, 1033),
            Kind.RATE_LIMITED: (1002, 1039, 1041, 2045),
            Kind.AUTH: (1004, 2049, 2061),
            Kind.QUOTA: (1008, 1028, 1030, 2056),
            Kind.CONTENT_REJECTED: (1026, 1027),
            Kind.INVALID_REQUEST: (1042, 1043, 1044, 2013, 2037, 2039, 2048),
        },
    ),
    Envelope.KIE: (
        _KIE,
        {
            Kind.QUOTA: (433,),  # the key's own limit
            Kind.MAINTENANCE: (455,),
            Kind.DEGRADED: (501,),  # generation failed; elsewhere 501 is "not implemented"
            Kind.SUSPENDED: (505,),  # feature disabled
        },
    ),
    Envelope.RPC: (
        _RPC,
        {
            Kind.UNKNOWN: (1, 5),
            Kind.DEGRADED: (2, 4, 10, 13, 14, 15),
            Kind.INVALID_REQUEST: (3, 6, 9, 11, 12),
            Kind.AUTH: (7, 16),
            Kind.RATE_LIMITED: (8,),
        },
    ),
}
_EXPLICIT_KINDS = frozenset({Kind.MAINTENANCE, Kind.SUSPENDED})

#: All numeric rules.
NUMERIC_RULES: Mapping[NumericCode, Rule] = {
    NumericCode(envelope, value): Rule(
        f"{envelope.value}-{value}", kind, source, kind in _EXPLICIT_KINDS
    )
    for envelope, (source, kinds) in _KINDS.items()
    for kind, values in kinds.items()
    for value in values
}
#: google.rpc codes are as generic as the HTTP statuses of the same meaning, and so is kie's 501.
_GENERIC = frozenset(
    {
        NumericCode(Envelope.KIE, 501),
        *(number for number in NUMERIC_RULES if number.envelope is Envelope.RPC),
    }
)


def specific_number_rule(answer: ParsedReply) -> Rule | None:
    """Return the rule of the innermost number with one meaning."""
    return _rule(answer, generic=False)


def generic_number_rule(answer: ParsedReply) -> Rule | None:
    """Return the rule of the innermost number that several causes share."""
    return _rule(answer, generic=True)


def _rule(answer: ParsedReply, *, generic: bool) -> Rule | None:
    candidates = (number for number in answer.numbers if (number in _GENERIC) is generic)
    return next(filter(None, map(NUMERIC_RULES.get, candidates)), None)
