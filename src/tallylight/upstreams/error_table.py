"""The failures of one protocol: the table of its maker, then the classifier for all.

A table reads the codes that only its maker uses. Everything else, in whatever words, is for the
classifier, which also reads relays that wrap the answers of others.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from http import HTTPStatus

from tallylight.model.evidence import Failure, FailureKind, Fault
from tallylight.upstreams.classify import classify
from tallylight.upstreams.classify.codes import NO_SUCH_JOB_CODES
from tallylight.upstreams.classify.reading import parse_reply
from tallylight.upstreams.classify.rules import FAULT_BY_KIND
from tallylight.upstreams.failures import upstream_failure
from tallylight.upstreams.json_access import is_json_object
from tallylight.upstreams.json_view import JsonView
from tallylight.upstreams.messages import Phase, Reply
from tallylight.upstreams.normalize import normalize_code, normalize_text
from tallylight.upstreams.redact import redact_line
from tallylight.upstreams.steps import Missing, Trouble

_NOT_FOUND = frozenset({404, 410})
_NO_SUCH_JOB_RULES = frozenset(
    {"words:no-such-job", "state:lost", *(f"code:{code}" for code in NO_SUCH_JOB_CODES)}
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: all conditions that it has must hold, and the first such line decides.

    Args:
        kind: What went wrong.
        codes: Codes of the maker, as `normalize_code` spells them; "*" matches any characters.
        statuses: HTTP statuses.
        words: Phrases, one of which occurs in its messages; as `normalize_text` spells them.
        fault: The fault, if it is not the one that goes with the kind.
        is_named: The answer names the state of the service.
        is_free: It is given only where nothing is billed.
        is_missing: Said of a job, it denies that there is one.
    """

    kind: FailureKind
    codes: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    fault: Fault | None = None
    is_named: bool = False
    is_free: bool = False
    is_missing: bool = False

    def matches(self, codes: Iterable[str], status: int | None, text: str) -> bool:
        """Tell whether an answer with these codes, this status and this text is meant."""
        has_code = any(fnmatchcase(code, known) for code in codes for known in self.codes)
        return (
            (has_code or not self.codes)
            and (status in self.statuses or not self.statuses)
            and (any(word in text for word in self.words) or not self.words)
        )


def _no_codes(_: JsonView) -> Iterable[str]:
    return ()


def _never(_: Reply) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Errors:
    """How the failures of a dialect are known.

    Args:
        rows: The maker's table.
        codes: Returns the codes in an answer, the innermost first.
        code_header: The header that holds the maker's code beside the answer, in lower case; what
            follows a colon there is the maker's own.
        is_free: Tells whether the dialect gives an error answer only where nothing is billed.
    """

    rows: tuple[Row, ...] = ()
    codes: Callable[[JsonView], Iterable[str]] = _no_codes
    code_header: str = ""
    is_free: Callable[[Reply], bool] = _never

    def of(self, reply: Reply) -> Failure | None:
        """Return the failure in an answer, None if it shows none."""
        general = classify(reply)
        row = self._row_of(reply)
        if row is None:
            return general
        text, wait = ("", None) if general is None else (general.text, general.retry_after)
        return replace(_failure(row, text, reply.status), retry_after=wait)

    def failure(self, reply: Reply, rule: str) -> Failure:
        """Return the failure in an answer that does not hold what was asked for.

        If none is known, the answer breaks its protocol: the upstream's fault, named by `rule`.
        """
        return self.of(reply) or upstream_failure(
            rule, reply.error or reply.body, http_status=reply.status
        )

    def no_job(self, reply: Reply, rule: str) -> Missing | Trouble:
        """Return what an answer without a job says of the job that was asked for."""
        failure, row = self.failure(reply, rule), self._row_of(reply)
        is_missing = says_no_such_job(failure, reply) or (row is not None and row.is_missing)
        return Missing(failure) if is_missing else Trouble(failure)

    def named(self, code: str, text: str = "", http_status: int | None = None) -> Failure:
        """Return the failure that a code and a text inside a good answer stand for."""
        names = (normalize_code(code),)
        said = normalize_text(text)
        row = next((each for each in self.rows if each.matches(names, http_status, said)), None)
        if row is not None:
            return _failure(row, text or code, http_status)
        ended = {"status": "failed", "error": {"code": code, "message": text}}
        reply = Reply(Phase.POLL, HTTPStatus.OK, {}, json.dumps(ended))
        found = classify(reply) or upstream_failure(f"job:{code}", text or code)
        return replace(found, http_status=http_status)

    def proves_free(self, reply: Reply) -> bool:
        """Tell whether an answer proves that nothing is billed."""
        row = self._row_of(reply)
        return self.is_free(reply) or (row is not None and row.is_free)

    def _row_of(self, reply: Reply) -> Row | None:
        if not self.rows or reply.status is None or not reply.is_whole:
            return None
        if reply.phase is Phase.REACH:
            return None  # without the key, any answer shows that the API responds
        answer = reply.json
        if not answer.is_object:
            return None
        told = reply.headers.get(self.code_header, "").partition(":")[0]
        codes = tuple(map(normalize_code, (told, *self.codes(answer))))
        # Not the whole body: that repeats prompts, and may escape every character of a word.
        text = parse_reply(reply, reply.status).normalized_text
        return next((row for row in self.rows if row.matches(codes, reply.status, text)), None)


def says_no_such_job(failure: Failure, reply: Reply) -> bool:
    """Tell whether an answer to a poll or a download denies the job, under whatever status.

    A bare 404 counts as a JSON document: an HTML page is the answer of a proxy while the service
    behind it is redeployed.
    """
    has_status = failure.http_status in _NOT_FOUND and is_json_object(reply.body)
    return has_status or failure.rule in _NO_SUCH_JOB_RULES


def _failure(row: Row, text: str, http_status: int | None) -> Failure:
    matched = next(iter(row.codes or row.words or map(str, row.statuses)), "")
    return Failure(
        kind=row.kind,
        fault=FAULT_BY_KIND[row.kind] if row.fault is None else row.fault,
        rule=f"table:{matched}",
        text=redact_line(text),
        names_state=row.is_named,
        http_status=http_status,
    )
