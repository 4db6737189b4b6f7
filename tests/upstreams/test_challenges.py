"""Challenges of bot protections, in any language and at any free question."""

import json
from pathlib import Path

import pytest

from tallylight.model.evidence import FailureKind, Fault
from tallylight.upstreams.classify import classify
from tallylight.upstreams.messages import Phase, Reply

_LINES = (Path(__file__).parents[1] / "data" / "makers-corpus.jsonl").read_text("utf-8")
_CHALLENGES = [
    line
    for line in map(json.loads, _LINES.splitlines())
    if line["protocol"] == "edge" and line["expected"] == "risk_control"
]
_PLAIN_APP = (
    "<!DOCTYPE html><html><head><title>Shop</title><script src='/app.js'></script>{}</head>"
    "<body><div id='root'></div></body></html>"
)


def _reply(phase: Phase, status: int, body: str, **headers: str) -> Reply:
    return Reply(phase, status, headers, body)


@pytest.mark.parametrize("phase", [Phase.REACH, Phase.PROBE, Phase.CREATE, Phase.POLL])
@pytest.mark.parametrize("line", _CHALLENGES, ids=lambda line: line["source"])
def test_a_challenge_is_risk_control_in_every_phase(phase: Phase, line: dict[str, object]) -> None:
    headers = line.get("headers")
    status = line["http_status"]
    assert isinstance(headers, dict)
    assert isinstance(status, int)

    found = classify(Reply(phase, status, headers, str(line["body"])))

    assert found is not None
    assert found.kind is FailureKind.RISK_CONTROL
    assert found.fault is Fault.UPSTREAM


@pytest.mark.parametrize(
    "script",
    [
        "<script src='/cdn-cgi/challenge-platform/scripts/jsd/main.js'></script>",
        "<script src='https://www.google.com/recaptcha/api.js'></script>",
        "",
    ],
)
def test_a_web_interface_with_a_script_of_a_protection_is_no_challenge(script: str) -> None:
    found = classify(_reply(Phase.PROBE, 200, _PLAIN_APP.format(script)))

    assert found is not None
    assert found.rule == "page:web-interface"


def test_a_prompt_that_names_a_protection_makes_no_challenge() -> None:
    body = json.dumps({"id": "v1", "status": "queued", "prompt": "geetest px-captcha awswaf.com"})

    assert classify(_reply(Phase.POLL, 200, body)) is None


def test_a_marker_behind_long_styles_is_found() -> None:
    page = f"<html><head><style>{'a{b:c} ' * 4000}</style></head><script>_cf_chl_opt={{}}</script>"

    found = classify(_reply(Phase.REACH, 403, page))

    assert found is not None
    assert found.kind is FailureKind.RISK_CONTROL


@pytest.mark.parametrize("status", [403, 405, 429])
def test_a_page_that_is_little_but_a_script_is_a_challenge(status: int) -> None:
    page = "<html><head><title>확인</title><script>(function(){})()</script></head></html>"

    found = classify(_reply(Phase.CREATE, status, page))

    assert found is not None
    assert found.kind is FailureKind.RISK_CONTROL


def test_a_page_never_makes_the_caller_at_fault() -> None:
    page = "<html><body><h1>Error</h1>The image is too large, and the prompt was flagged</body>"

    found = classify(_reply(Phase.CREATE, 403, page))

    assert found is not None
    assert found.fault is not Fault.CALLER
