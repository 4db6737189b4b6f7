"""What Bedrock's adapter alone knows: hosts, folders, and both readings of what is unsure."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from tallylight.model.evidence import Failure, FailureKind
from tallylight.model.jobs import JobRef
from tallylight.model.order import Input, Order, Role
from tallylight.upstreams.auth import Wire
from tallylight.upstreams.messages import Phase, Reply, Request
from tallylight.upstreams.protocol import Adapter, Doubt, Site
from tallylight.upstreams.protocols.bedrock import DEFINITION
from tallylight.upstreams.protocols.bedrock_hosts import BedrockOptions
from tallylight.upstreams.steps import Checked, Done, Failed, Missing, Page, Step, Trouble
from tests.upstreams.flows import finished

BASE = "https://bedrock-runtime.us-west-2.amazonaws.com"
ARN = "arn:aws:bedrock:us-west-2:123456789012:async-invoke/abc123def456"
PAIR = BedrockOptions(bucket="s3://films/of/ours", access_key="AKIAEXAMPLE")
API_KEY = BedrockOptions(bucket="s3://films/of/ours")
LUMA = Order("luma.ray-v2:0", "a boat", seconds=5)


def adapter(options: BedrockOptions = PAIR, base_url: str = BASE) -> Adapter:
    return DEFINITION.make(Site(base_url, "bedrock", options))


def answered(document: object, status: int = 200, kind: str = "") -> Reply:
    headers = {"x-amzn-errortype": f"{kind}:http://internal.amazon.com/"} if kind else {}
    return Reply(Phase.POLL, status, headers, json.dumps(document))


def invocation(status: str = "Completed", place: str = "", **more: object) -> dict[str, object]:
    told = {"invocationArn": ARN, "clientRequestToken": "vid_1.1", "status": status}
    config = {"outputDataConfig": {"s3OutputDataConfig": {"s3Uri": place}}} if place else {}
    return {**told, **config, **more}


def polled(document: object, options: BedrockOptions = PAIR) -> Step:
    poll = adapter(options).poll
    assert poll is not None
    step, _ = finished(poll(JobRef(ARN)), answered(document))
    return step


def addresses(step: Step) -> list[str]:
    assert isinstance(step, Done), step
    return [each.at.url for each in step.outputs if isinstance(each.at, Request)]


def signed(url: str, options: BedrockOptions, base_url: str = BASE) -> str:
    auth = DEFINITION.auth(Site(base_url, "bedrock", options))
    return auth.headers(Wire("GET", url), "secret", 1_800_000_000).get("Authorization", "")


S3 = "https://s3.us-west-2.amazonaws.com"


@pytest.mark.parametrize(
    ("place", "films"),
    [
        # The place may be told with the id of the invocation, or as it was asked for.
        ("s3://films/of/ours/vid_1.1/abc123def456", ["/films/of/ours/vid_1.1/abc123def456"]),
        ("s3://films/abc123def456/", ["/films/abc123def456"]),
        ("s3://films/a b", ["/films/a%20b/abc123def456", "/films/a%20b"]),
        ("s3://films", ["/films/abc123def456", "/films"]),
        ("", ["/films/of/ours/vid_1.1/abc123def456", "/films/of/ours/vid_1.1"]),
        ("https://elsewhere.test/x", None),
    ],
)
def test_a_film_is_looked_for_where_it_may_be(place: str, films: list[str] | None) -> None:
    step = polled(invocation(place=place))

    if films is None:
        assert isinstance(step, Failed)
    else:
        assert addresses(step) == [f"{S3}{each}/output.mp4" for each in films]


def test_an_invocation_of_which_no_place_is_known_has_failed() -> None:
    step = polled({"status": "Completed", "invocationArn": ARN})

    assert isinstance(step, Failed)
    assert step.failure.kind is FailureKind.DEGRADED
    assert step.usage is None  # nothing proves that it was not billed


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("The output was blocked by our content filters.", FailureKind.CONTENT_REJECTED),
        ("Violates the Responsible AI policy of AWS", FailureKind.CONTENT_REJECTED),
        ("This model version has reached the end of its life.", FailureKind.RETIRED),
        ("Internal error, please try again.", FailureKind.DEGRADED),
        ("", FailureKind.DEGRADED),
    ],
)
def test_a_failure_is_known_by_its_words(text: str, kind: FailureKind) -> None:
    step = polled(invocation("Failed", failureMessage=text))

    assert isinstance(step, Failed)
    assert step.failure.kind is kind


@pytest.mark.parametrize(
    ("status", "kind", "text", "expected", "step"),
    [
        (404, "ResourceNotFoundException", "No invocation", FailureKind.UNKNOWN, Missing),
        (400, "ValidationException", "The invocation ARN is unknown", FailureKind.UNKNOWN, Missing),
        (400, "ValidationException", "Member must be x", FailureKind.INVALID_REQUEST, Trouble),
        (404, "ResourceNotFoundException", "Model not found", FailureKind.RETIRED, Missing),
        (409, "ConflictException", "Token was used", FailureKind.INVALID_REQUEST, Trouble),
        (400, "ConflictException", "Token was used", FailureKind.INVALID_REQUEST, Trouble),
        (
            400,
            "ServiceQuotaExceededException",
            "Too many concurrent jobs",
            FailureKind.RATE_LIMITED,
            Trouble,
        ),
        (400, "ServiceQuotaExceededException", "Quota", FailureKind.QUOTA, Trouble),
        (403, "AccessDeniedException", "You don't have access", FailureKind.AUTH, Trouble),
        (403, "InvalidSignatureException", "Signature expired", FailureKind.AUTH, Trouble),
        (424, "ModelErrorException", "Error", FailureKind.DEGRADED, Trouble),
        (503, "ServiceUnavailableException", "Try again", FailureKind.DEGRADED, Trouble),
    ],
)
def test_a_refusal_is_known_by_its_class(
    status: int, kind: str, text: str, expected: FailureKind, step: type
) -> None:
    found = adapter().errors.no_job(answered({"message": text}, status, kind), "x")

    assert isinstance(found, Missing | Trouble)
    assert found.failure.kind is expected
    assert type(found) is step


def test_a_class_is_known_in_a_body_too() -> None:
    for body in ({"__type": "com.amazon#ThrottlingException"}, {"code": "ThrottlingException"}):
        assert adapter().errors.failure(answered(body, 400), "x").kind is FailureKind.RATE_LIMITED


def check(*replies: Reply) -> tuple[object, list[Request]]:
    return finished(adapter().check("luma.ray-v2:0"), *replies)


LISTED = answered({"asyncInvokeSummaries": []})


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (answered({"modelDetails": {"modelLifecycle": {"status": "ACTIVE"}}}), None),
        (
            answered({"modelDetails": {"modelLifecycle": {"endOfLifeTime": "2027-03-31T00:00Z"}}}),
            Checked(date(2027, 3, 31)),
        ),
        (answered({"message": "not authorized to do this"}, 403, "AccessDeniedException"), None),
        (answered({"message": "Not Found"}, 404), None),  # a host without such a list
        (replace(LISTED, status=None, error="TimeoutError: no answer"), None),
    ],
)
def test_what_is_told_of_the_model_is_no_condition(reply: Reply, expected: object) -> None:
    found, requests = check(LISTED, reply)

    assert found == expected
    assert requests[1].url == (
        "https://bedrock.us-west-2.amazonaws.com/foundation-models/luma.ray-v2%3A0"
    )
    assert requests[1].is_optional


def test_a_model_that_is_gone_and_a_list_that_is_none_are_failures() -> None:
    gone = answered({"message": "The model is unknown"}, 404, "ResourceNotFoundException")

    retired, _ = check(LISTED, gone)
    unreadable, _ = check(answered({}))

    assert isinstance(retired, Failure)
    assert isinstance(unreadable, Failure)
    assert retired.kind is FailureKind.RETIRED


def test_a_list_shows_marks_and_leads_on() -> None:
    find = adapter().find
    assert find is not None
    rows = [invocation("InProgress", submitTime="2026-11-29T09:00:00Z"), {"status": "Failed"}, {}]
    reply = answered({"asyncInvokeSummaries": rows, "nextToken": "a+/="})

    page, (request,) = finished(find(Doubt(LUMA, "vid_1.1"), "b+/="), reply)

    assert isinstance(page, Page)
    assert [(each.mark, each.job.id) for each in page.jobs] == [("vid_1.1", ARN)]
    assert page.jobs[0].created_at == datetime(2026, 11, 29, 9, tzinfo=UTC)
    assert page.cursor == "a+/="
    assert "nextToken=b%2B%2F%3D" in request.url


def test_a_list_that_cannot_be_read_ends_no_doubt() -> None:
    find = adapter().find
    assert find is not None

    found, _ = finished(find(Doubt(LUMA, "vid_1.1"), ""), answered({}))

    assert isinstance(found, Failure)


def test_the_mark_is_the_token_and_names_the_folder() -> None:
    body = json.loads(adapter().submit(LUMA, "vid_1.1").json)

    assert body["clientRequestToken"] == "vid_1.1"
    assert body["outputDataConfig"] == {
        "s3OutputDataConfig": {"s3Uri": "s3://films/of/ours/vid_1.1"}
    }


def test_nova_reel_takes_no_last_frame() -> None:
    order = Order("amazon.nova-reel-v1:1", "a boat", seconds=6)
    last = Input(role=Role.LAST_FRAME, body=b"PNG", media_type="image/png")

    with pytest.raises(LookupError, match="first frame"):
        adapter().submit(replace(order, inputs=(last,)), "vid_1.1")


@pytest.mark.parametrize(
    ("base_url", "options", "origins"),
    [
        (BASE, {}, (S3, "https://bedrock.us-west-2.amazonaws.com")),
        (
            "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com",
            {},
            (
                "https://s3-fips.us-gov-west-1.amazonaws.com",
                "https://bedrock-fips.us-gov-west-1.amazonaws.com",
            ),
        ),
        ("http://127.0.0.1:4566", {}, ("http://127.0.0.1:4566", "http://127.0.0.1:4566")),
        (
            "https://vpce-1.example",
            {"storage_url": "https://s3.example", "control_url": "https://list.example"},
            ("https://s3.example", "https://list.example"),
        ),
    ],
)
def test_the_other_hosts_follow_from_the_first_unless_they_are_set(
    base_url: str, options: Mapping[str, str], origins: tuple[str, ...]
) -> None:
    site = Site(base_url, "bedrock", BedrockOptions(bucket="s3://films", **options))

    assert DEFINITION.origins(site) == origins


@pytest.mark.parametrize(
    ("url", "base_url", "scope"),
    [
        (f"{BASE}/async-invoke?maxResults=1", BASE, "/us-west-2/bedrock/"),
        (
            "https://bedrock.us-west-2.amazonaws.com/foundation-models/x",
            BASE,
            "/us-west-2/bedrock/",
        ),
        (f"{S3}/films/a/output.mp4", BASE, "/us-west-2/s3/"),
        ("http://localhost:4566/films/output.mp4", "http://localhost:4566", "/us-east-1/s3/"),
        ("http://localhost:4566/async-invoke", "http://localhost:4566", "/us-east-1/bedrock/"),
    ],
)
def test_a_pair_signs_for_the_service_and_the_region_of_each_host(
    url: str, base_url: str, scope: str
) -> None:
    assert scope in signed(url, PAIR, base_url)
    assert "/eu-west-1/" in signed(url, PAIR.model_copy(update={"region": "eu-west-1"}), base_url)


def test_an_api_key_is_a_bearer_and_goes_to_no_bucket() -> None:
    assert signed(f"{BASE}/async-invoke", API_KEY) == "Bearer secret"
    assert signed(f"{S3}/films/a/output.mp4", API_KEY) == ""


@pytest.mark.parametrize("bucket", [None, "", "films", "s3://F", "s3://films/x y", "s3://films/"])
def test_an_upstream_has_a_folder_for_its_films(bucket: str | None) -> None:
    with pytest.raises(ValueError, match="bucket"):
        DEFINITION.options.model_validate({} if bucket is None else {"bucket": bucket})
