"""Error codes and error types, by the documentation that defines them.

Names are spelled as `normalize_code` returns them, a dotted code with `_` for each dot; `*` matches
any characters. An exact name goes before a pattern, an earlier pattern before a later one.
`SPECIFIC_CODES` have one meaning. `GENERIC_CODES` only report a failure, or are used for several
causes, so phrases and specific HTTP statuses are read before them. Names in neither table are
ignored.
"""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import chain

from tallylight.model.evidence import FailureKind as Kind
from tallylight.model.evidence import Fault
from tallylight.upstreams.classify.rules import Rule, rules_for

_OPENAI = "OpenAI error-code guide; openai-python 3.54.0"
_NEW_API = "QuantumNous/new-api types/error.go, relay/relay_task.go"
_ARK = "volcengine.com/docs/82379/1299023 and /1099476"
_DASHSCOPE = "help.aliyun.com/en/model-studio/error-code"
_GOOGLE = "google.rpc.ErrorInfo, QuotaFailure; ai.google.dev/gemini-api/docs/api-errors"
_FLOW = "crisng95/flowkit#10 and labs.google PUBLIC_ERROR_* names"
_RUNWAY = "docs.dev.runwayml.com/errors/task-failures"
_SORA_APP = "TheSmallHanCat/sora2api issues #34 #54 #59 #63"
_RESELLERS = "docs of runware, pikzels, onysoft, novita, vidu, kiara, evolink, ltx.video"
_RFC = "RFC 9110, section 15"
_COMMON = "the words that the codes of all these services consist of"

#: Codes that deny a job: an accepted one is lost.
NO_SUCH_JOB_CODES = tuple(
    f"{job}_{denied}"
    for job in ("task", "job", "video", "generation", "request")
    for denied in ("not_exist", "not_exists", "not_found", "does_not_exist")
)

_EXACT = (
    # An exact code takes precedence over the pattern below that it would match.
    *rules_for(Kind.AUTH, _GOOGLE, "service_disabled consumer_invalid user_project_denied"),
    *rules_for(Kind.SUSPENDED, _GOOGLE, "consumer_suspended", named=True),
    *rules_for(Kind.QUOTA, _GOOGLE, "billing_disabled quota_value_zero"),
    *rules_for(Kind.AUTH, _OPENAI, "unsupported_country_region_territory request_forbidden"),
    *rules_for(Kind.QUOTA, _OPENAI, "billing_not_active insufficient_quota"),
    *rules_for(Kind.SUSPENDED, _OPENAI, "account_deactivated", named=True),
    *rules_for(Kind.RATE_LIMITED, _OPENAI, "requests tokens slow_down request_rate"),
    *rules_for(Kind.DEGRADED, _OPENAI, "server_is_overloaded"),
    *rules_for(Kind.CONTENT_REJECTED, _GOOGLE, "rai_media_filtered block_reason"),
    *rules_for(Kind.CONTENT_REJECTED, _OPENAI, "image_generation_user_error content_filter"),
    *rules_for(Kind.QUOTA, _NEW_API, "pre_consume_token_quota_failed"),
    *rules_for(Kind.DEGRADED, _NEW_API, "token_concurrency_unavailable channel_invalid_key"),
    *rules_for(Kind.SUSPENDED, _NEW_API, "task_channel_disable", named=True),
    *rules_for(Kind.INVALID_REQUEST, _NEW_API, " ".join(NO_SUCH_JOB_CODES)),
    *rules_for(Kind.INVALID_REQUEST, _NEW_API, "api_not_implemented"),
    *rules_for(Kind.INVALID_REQUEST, _NEW_API, "not_implemented bad_request_body"),
    *rules_for(Kind.INVALID_REQUEST, _NEW_API, "read_request_body_failed convert_request_failed"),
    *rules_for(Kind.DEGRADED, _NEW_API, "invalid_response"),
    # It ends the session of a signed-in account. An API key has no session, so the account is one
    # of the upstream's pool.
    Rule("token_invalidated", Kind.AUTH, _SORA_APP, fault=Fault.UPSTREAM),
    *rules_for(Kind.RISK_CONTROL, _SORA_APP, "sentinel_block phone_number_required cf_shield_429"),
    *rules_for(Kind.RISK_CONTROL, _SORA_APP, "unsupported_country_code"),
    *rules_for(Kind.AUTH, _FLOW, "public_error_model_access_denied"),
    *rules_for(Kind.RATE_LIMITED, _FLOW, "public_error_user_requests_throttled"),
    *rules_for(Kind.DEGRADED, _FLOW, "public_error_high_traffic public_error_something_went_wrong"),
    *rules_for(Kind.SUSPENDED, _RESELLERS, "model_blocked product_paused", named=True),
    *rules_for(Kind.AUTH, _RESELLERS, "pro_only_model model_not_allowed feature_not_allowed"),
    *rules_for(Kind.AUTH, _RESELLERS, "ip_not_authorized ip_not_allowed origin_not_allowed"),
    *rules_for(Kind.AUTH, _RESELLERS, "account_verification_required need_real_name_verify"),
    *rules_for(Kind.DEGRADED, _RESELLERS, "rate_limiter_unavailable no_media_generated"),
    *rules_for(Kind.INVALID_REQUEST, _RESELLERS, "idempotency_key_reused idempotency_conflict"),
    *rules_for(Kind.INVALID_REQUEST, _RESELLERS, "request_too_large payload_too_large"),
    *rules_for(Kind.CONTENT_REJECTED, _RESELLERS, "generation_rejected audit_submit_illegal"),
)

_FAMILIES = (
    # The state of the service, named outright.
    *rules_for(Kind.MAINTENANCE, _COMMON, "*maintenance* *upgrading*", named=True),
    *rules_for(Kind.RETIRED, _COMMON, "*deprecated* *retired* *discontinued*", named=True),
    *rules_for(Kind.RETIRED, _COMMON, "*decommission* *end_of_life* *sunset", named=True),
    *rules_for(Kind.RETIRED, _COMMON, "*shut_down* *shutdown* *model_removed", named=True),
    *rules_for(Kind.RISK_CONTROL, _COMMON, "*risk_control*", named=True),
    *rules_for(Kind.RISK_CONTROL, _COMMON, "*captcha* *unusual_activity* *turnstile* *cloudflare*"),
    *rules_for(Kind.RISK_CONTROL, _COMMON, "cf_shield* *sentinel* *anti_bot* *phone*_required"),
    *rules_for(Kind.RISK_CONTROL, _COMMON, "*bot_detect* *suspicious*"),
    # Balances, before the rate limits whose names they resemble.
    *rules_for(Kind.QUOTA, _GOOGLE, "*per_day* *daily* *monthly*"),
    *rules_for(Kind.RATE_LIMITED, _GOOGLE, "*per_minute* *per_second* *per_hour*"),
    *rules_for(Kind.AUTH, _COMMON, "insufficient_permission* *insufficient_privilege*"),
    *rules_for(Kind.AUTH, _COMMON, "*scope_insufficient* insufficient_scope*"),
    *rules_for(Kind.QUOTA, _COMMON, "insufficient_* *_insufficient *not_enough* *balance*"),
    *rules_for(Kind.QUOTA, _COMMON, "*overdue* *arrear* *billing* *payment* *out_of_credit*"),
    *rules_for(
        Kind.QUOTA, _COMMON, "*credits_exhausted* *spend_limit* *spending_limit* *budget_exhausted*"
    ),
    *rules_for(Kind.QUOTA, _COMMON, "*usage_limit* *budget_exceeded* *quota_reached*"),
    *rules_for(Kind.QUOTA, _COMMON, "*quota_exhausted* *trial_expired* *trial_ended*"),
    *rules_for(Kind.QUOTA, _DASHSCOPE, "*allocation_quota* *free_tier*"),
    *rules_for(Kind.QUOTA, _NEW_API, "entitlement_*"),
    # Rate limits.
    *rules_for(Kind.RATE_LIMITED, _COMMON, "*rate_limit* *too_many* *throttl* *slow_down*"),
    *rules_for(Kind.RATE_LIMITED, _COMMON, "*concurren* *queue_full* *queue_max* *too_fast*"),
    *rules_for(Kind.RATE_LIMITED, _COMMON, "*in_flight* *frequency*"),
    *rules_for(Kind.RATE_LIMITED, _ARK, "*inflight* *rpm* *tpm* *ipm_exceeded*"),
    # Rejected content.
    *rules_for(Kind.CONTENT_REJECTED, _RUNWAY, "*safety*"),
    *rules_for(Kind.CONTENT_REJECTED, _ARK, "*sensitive* *risk_detection*"),
    *rules_for(Kind.CONTENT_REJECTED, _DASHSCOPE, "*data_inspection*"),
    *rules_for(Kind.CONTENT_REJECTED, _COMMON, "*moderation* *content_policy* *nsfw*"),
    *rules_for(Kind.CONTENT_REJECTED, _COMMON, "*content_*violation* *policy_violation* *unsafe*"),
    *rules_for(Kind.CONTENT_REJECTED, _COMMON, "*prohibited* *recitation* *blocklist*"),
    *rules_for(Kind.CONTENT_REJECTED, _COMMON, "prompt_blocked illegal_* *content_filter*"),
    *rules_for(Kind.CONTENT_REJECTED, _COMMON, "*flagged* *content_block*"),
    *rules_for(Kind.CONTENT_REJECTED, _COMMON, "invalid_provider_content *copyright* *spii*"),
    *rules_for(Kind.CONTENT_REJECTED, _NEW_API, "violation_fee*"),
    *rules_for(Kind.CONTENT_REJECTED, _FLOW, "public_error_*filter* public_error_*people*"),
    *rules_for(Kind.CONTENT_REJECTED, _FLOW, "public_error_minor* public_error_sexual*"),
    *rules_for(Kind.CONTENT_REJECTED, _FLOW, "public_error_danger* public_error_ip_*"),
    # Keys and permissions.
    *rules_for(Kind.AUTH, _COMMON, "*api_key* *invalid_key* *invalid_token* *token_*valid*"),
    *rules_for(Kind.AUTH, _COMMON, "token_expired *token_revoked* *access_token* *unauthorized*"),
    *rules_for(Kind.AUTH, _COMMON, "*unauthenticated* *authentication* auth_* *auth_failed*"),
    *rules_for(Kind.AUTH, _COMMON, "*access_denied* *not_authorized* *credential*"),
    *rules_for(Kind.AUTH, _COMMON, "*access_not_enabled* *not_activated*"),
    *rules_for(Kind.SUSPENDED, _COMMON, "*suspended* *paused* *banned*", named=True),
    *rules_for(Kind.SUSPENDED, _COMMON, "account_disabled user_disabled*", named=True),
    *rules_for(Kind.SUSPENDED, _COMMON, "*feature_disabled* model_disabled*", named=True),
    # Failures of the service.
    *rules_for(Kind.DEGRADED, _COMMON, "*overload* *heavy_load* *saturat* *capacity* *timeout*"),
    *rules_for(Kind.DEGRADED, _COMMON, "*timed_out* *time_out *time_exceeded* *unavailable*"),
    *rules_for(Kind.DEGRADED, _COMMON, "*no_available* model_loading*"),
    # Invalid requests.
    *rules_for(Kind.INVALID_REQUEST, _COMMON, "invalid_* *_invalid missing* unsupported_*"),
    *rules_for(Kind.INVALID_REQUEST, _COMMON, "*not_supported* unknown_* parameter_unknown"),
    *rules_for(Kind.INVALID_REQUEST, _COMMON, "*too_large* *too_long* *too_small* *validation*"),
    *rules_for(Kind.INVALID_REQUEST, _COMMON, "*_required *out_of_range* *_conflict"),
    *rules_for(Kind.INVALID_REQUEST, _COMMON, "*dimension* corrupt_*"),
)

#: Something failed: a job, or the request that says so.
FAILED_WORK_CODES = rules_for(
    Kind.DEGRADED, f"{_OPENAI}; {_RESELLERS}", "*generation_failed task_failed* *_failed"
)

_GENERIC = (
    *rules_for(Kind.AUTH, _GOOGLE, "permission_denied permission_error"),
    *rules_for(Kind.RATE_LIMITED, _GOOGLE, "resource_exhausted some_resource_has_been_exhausted"),
    *rules_for(Kind.QUOTA, f"{_GOOGLE}; Vidu: of concurrent tasks as well", "quota_exceeded"),
    *rules_for(Kind.RATE_LIMITED, f"{_ARK}: the HTTP status once more", "too_many_requests"),
    *rules_for(Kind.DEGRADED, _GOOGLE, "unavailable internal deadline_exceeded aborted data_loss"),
    *rules_for(Kind.DEGRADED, _GOOGLE, "gateway_timeout service_unavailable"),
    *rules_for(Kind.UNKNOWN, _GOOGLE, "cancelled not_found model_not_found"),
    *rules_for(Kind.INVALID_REQUEST, _GOOGLE, "invalid_argument failed_precondition"),
    *rules_for(Kind.INVALID_REQUEST, _GOOGLE, "invalid_request unimplemented already_exists"),
    *rules_for(Kind.INVALID_REQUEST, _OPENAI, "invalid_request_error bad_request*"),
    *rules_for(Kind.INVALID_REQUEST, f"{_RFC}: the HTTP status once more", "*unprocessable*"),
    *rules_for(Kind.UNKNOWN, _OPENAI, "unknown_error unknown"),
    *rules_for(Kind.DEGRADED, _OPENAI, "server_error internal_* api_error service_error"),
    *rules_for(Kind.DEGRADED, _OPENAI, "processing_error"),
    *rules_for(Kind.DEGRADED, _NEW_API, "do_request_failed get_channel_failed upstream_error"),
    *rules_for(Kind.DEGRADED, _NEW_API, "bad_response* empty_response *response_body_failed"),
    *rules_for(Kind.DEGRADED, _NEW_API, "channel_* model_mapping_failed aws_invoke_error"),
    *rules_for(Kind.DEGRADED, _NEW_API, "*_data_error json_marshal_failed"),
    *rules_for(Kind.INVALID_REQUEST, _NEW_API, "build_request_failed model_price_error"),
    *rules_for(Kind.INVALID_REQUEST, _NEW_API, "count_token_failed gen_relay_info_failed"),
    *rules_for(Kind.DEGRADED, _RESELLERS, "provider_error *provider_failed*"),
    *FAILED_WORK_CODES,
    *rules_for(Kind.CONTENT_REJECTED, f"{_OPENAI}: the member of a message", "refusal"),
)


def _is_pattern(rule: Rule) -> bool:
    return "*" in rule.name


#: Names that are generic although a pattern of the specific codes matches them.
_GENERIC_NAMES = frozenset(rule.name for rule in _GENERIC if not _is_pattern(rule))
SPECIFIC_CODES = (*_EXACT, *_FAMILIES)
GENERIC_CODES = _GENERIC


def specific_code_rule(depths: tuple[tuple[str, ...], ...]) -> Rule | None:
    """Return the rule of the innermost specific code.

    Of several codes at one depth (a daily and a minutely quota are both violated), the first in
    the table counts.
    """
    for names in depths:
        ranks = [rank for rank in map(_rank, names) if rank is not None]
        if ranks:
            return SPECIFIC_CODES[min(ranks)]
    return None


def generic_code_rule(depths: tuple[tuple[str, ...], ...]) -> Rule | None:
    """Return the rule of the innermost generic code."""
    return next(filter(None, map(_generic_rule, chain.from_iterable(depths))), None)


@lru_cache(maxsize=4096)  # bounded, since upstreams choose the names
def _rank(name: str) -> int | None:
    return _place(name, SPECIFIC_CODES, _GENERIC_NAMES)


@lru_cache(maxsize=4096)  # bounded, since upstreams choose the names
def _generic_rule(name: str) -> Rule | None:
    place = _place(name, GENERIC_CODES)
    return None if place is None else GENERIC_CODES[place]


def _place(name: str, rules: Sequence[Rule], excluded: Collection[str] = frozenset()) -> int | None:
    """Return the place of the rule for a name, None if there is none.

    The tail of a dotted code says what happened, and what precedes it says to what:
    `InvalidEndpointOrModel.ModelShutDown` is no invalid parameter.
    """
    whole = name.replace(".", "_")
    if whole in excluded:
        return None
    parts = name.split(".")
    tails = ("_".join(parts[at:]) for at in range(len(parts) - 1, 0, -1))
    tail_places = (
        place
        for tail in tails
        if tail not in excluded
        for place in (_exact_place(tail, rules), _family_place(tail, rules))
    )
    places = chain([_exact_place(whole, rules)], tail_places, [_family_place(whole, rules)])
    return next((place for place in places if place is not None), None)


def _exact_place(name: str, rules: Sequence[Rule]) -> int | None:
    return next((at for at, rule in enumerate(rules) if rule.name == name), None)


def _family_place(name: str, rules: Sequence[Rule]) -> int | None:
    families = (at for at, rule in enumerate(rules) if _is_pattern(rule))
    return next((at for at in families if fnmatchcase(name, rules[at].name)), None)
