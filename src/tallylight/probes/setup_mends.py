"""Looks for the address that was meant, where a service that never answered seems misconfigured."""

from collections.abc import MutableMapping
from dataclasses import replace
from http import HTTPStatus
from urllib.parse import urlsplit, urlunsplit

from tallylight.board import Board
from tallylight.catalogue.services import Service
from tallylight.model.evidence import Failure
from tallylight.probes.free_probes import UNREADABLE_RULES, FreeProbeResult
from tallylight.upstreams.client import RequestSender
from tallylight.upstreams.protocols.registry import adapter_for
from tallylight.verdicts.setup import SetupProblem, setup_problem

_API_VERSION = "/v1"
_ANSWERS_OF_AN_API = frozenset(
    {HTTPStatus.OK, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
)
_MISSING = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})


async def with_mend(
    service: Service,
    result: FreeProbeResult,
    board: Board,
    mends: MutableMapping[str, str],
    sender: RequestSender,
) -> FreeProbeResult:
    """Return the result of a free probe, with the address of the same host that answers instead.

    Another address is tried once for each address of the configuration, with one free request.
    `mends` keeps, by address, the other one that answers, or "" if it does not.
    """
    evidence, address = result.evidence, service.upstream.base_url
    is_new = service.id in board and board.state(service.id)[0].is_unanswered
    if evidence.failure is None or evidence.note or not is_new:
        return result
    other = other_address(address, evidence.failure)
    if other and address not in mends:
        mends[address] = ""
        if await _answers_at(service, other, sender):
            mends[address] = other
    mend = mends.get(address, "") if other else ""
    return replace(result, evidence=replace(evidence, note=mend))


def other_address(address: str, failure: Failure) -> str:
    """Return the address of the same host that may have been meant, "" if none is likely."""
    url = urlsplit(address)
    if setup_problem(failure) is SetupProblem.SCHEME:
        return urlunsplit(url._replace(scheme="http" if url.scheme == "https" else "https"))
    if not _may_be_other_path(failure):
        return ""
    before, version, _ = url.path.partition(_API_VERSION)
    other = urlunsplit(url._replace(path=f"{before}{version or _API_VERSION}"))
    return "" if other == address else other


def _may_be_other_path(failure: Failure) -> bool:
    if failure.http_status is None:
        return False
    is_page = failure.rule.partition(":")[0] in UNREADABLE_RULES
    is_address = setup_problem(failure) is SetupProblem.ADDRESS
    return is_page or is_address or failure.http_status in _MISSING


async def _answers_at(service: Service, address: str, sender: RequestSender) -> bool:
    """Tell whether the API answers at another address; the key is not sent there."""
    upstream = replace(service.upstream, base_url=address)
    request = replace(adapter_for(upstream).reach(service.model), is_signed=False)
    if request.method != "GET":
        return False
    reply = await sender.send(request, upstream)
    return reply.status in _ANSWERS_OF_AN_API and isinstance(reply.json.value, dict | list)
