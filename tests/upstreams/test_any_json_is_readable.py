"""The readers of every dialect return a value for any JSON of an upstream."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from tallylight.catalogue.services import Upstream
from tallylight.model.evidence import Failure
from tallylight.model.ids import ProviderId, UpstreamId
from tallylight.upstreams.messages import Job, JobState, Phase, Reply
from tallylight.upstreams.protocols.registry import DIALECTS, adapter_for

WORDS = st.sampled_from(
    (
        *("id", "task_id", "object", "status", "data", "error", "code", "message", "progress"),
        *("model", "url", "urls", "metadata", "video", "fail_reason", "created_at", "expires_at"),
        *("choices", "delta", "content", "finish_reason", "has_more", "completed", "failed"),
        *("queued", "SUCCESS", "cancelled", "list", "https://[bad", "https://x/a.mp4", "30%"),
    )
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | WORDS
    | st.text(alphabet=st.characters(), max_size=20)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=8)
        | inner.map(json.dumps)
    ),
    max_leaves=20,
)


def _upstream(protocol: str, dialect: str) -> Upstream:
    url = "https://upstream.test/v1"
    return Upstream(UpstreamId("one"), ProviderId("provider"), url, protocol, dialect, key=None)


ADAPTERS = [
    adapter_for(_upstream(name, dialect))
    for name, dialects in DIALECTS.items()
    for dialect in dialects
]


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.sampled_from(ADAPTERS),
    JSON.map(json.dumps) | st.text(max_size=60) | st.just("[" * 3_000),
    st.sampled_from([200, 202, 302, 400, 404, 429, 500, 503, None]),
    st.sampled_from([Phase.CREATE, Phase.POLL, Phase.LIST, Phase.PROBE]),
    st.sampled_from(["", "ClientPayloadError: cut"]),
)
def test_readers_never_raise(
    adapter: object, body: str, status: int | None, phase: Phase, error: str
) -> None:
    reply = Reply(phase=phase, status=status, headers={}, body=body, error=error)

    for one in ADAPTERS:
        if one is not adapter:
            continue
        job = one.read_job(reply)
        assert isinstance(job, Job | Failure)
        if isinstance(job, Job):
            assert (job.failure is not None) == (job.state is JobState.FAILED)
            assert job.progress is None or 0 <= job.progress <= 100
            job.id.encode()
        if isinstance(job, Job) and job.state is JobState.COMPLETED:
            one.outputs(job)
        one.read_credentials(reply, "sora-2")
        one.read_listing(reply)
