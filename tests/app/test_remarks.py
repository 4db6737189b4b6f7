"""What `check` says beside the verdict: findings that the verdict is silent about."""

from datetime import UTC, datetime

from tallylight.app.summary import check_remarks
from tallylight.i18n import Language, translator
from tallylight.model.evidence import Depth, Evidence, Failure, FailureKind, Fault, Source
from tallylight.model.ids import ServiceId
from tallylight.model.status import Status
from tallylight.model.verdict import Block, Reason, ReasonCode, Verdict
from tallylight.probes.check_round import CheckResult

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
SORA = ServiceId("sora")
ENGLISH = translator(Language.EN)
REFUSED = Failure(FailureKind.INVALID_REQUEST, Fault.CALLER, "status:400", "no such size")


def verdict(status: Status, blocked: Block | None = None) -> Verdict:
    reasons = (Reason(ReasonCode.NO_EVIDENCE, NOON),)
    return Verdict(SORA, status, NOON, 0.9, reasons, blocked)


def found(failure: Failure | None) -> CheckResult:
    return CheckResult((Evidence(SORA, NOON, Source.CREDENTIALS, failure=failure),))


def test_a_finding_that_counts_for_nobody_is_told_all_the_same() -> None:
    told = list(check_remarks(verdict(Status.UNKNOWN), found(REFUSED), ENGLISH))

    assert told == ["sora: Credentials probe: no such size"]


def test_what_the_verdict_says_is_not_said_again() -> None:
    assert list(check_remarks(verdict(Status.SUSPENDED), found(REFUSED), ENGLISH)) == []
    blocked = verdict(Status.UNKNOWN, Block.AUTH)
    assert list(check_remarks(blocked, found(REFUSED), ENGLISH)) == []


def test_what_was_left_out_is_told() -> None:
    round_ = CheckResult((), "budget per_day total: …", skipped_depths=(Depth.CREDENTIALS,))

    first, second = check_remarks(verdict(Status.OPERATIONAL), round_, ENGLISH)

    assert "skipped" in first
    assert "budget per_day" in second
