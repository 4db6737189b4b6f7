"""The outcome of a chat answer: a video, or why there is none."""

from dataclasses import replace

from tallylight.model.evidence import Failure, FailureKind
from tallylight.upstreams.addresses import resolved_address
from tallylight.upstreams.classify import classify_chat
from tallylight.upstreams.classify.chat_results import result_addresses
from tallylight.upstreams.classify.chat_transcript import ChatTranscript
from tallylight.upstreams.failures import upstream_failure
from tallylight.upstreams.protocols.result_addresses import MAX_ADDRESSES


def chat_outcome(
    transcript: ChatTranscript, base_url: str, *, error: str
) -> tuple[str, ...] | Failure:
    """Return the addresses of the result, best first, or why there is none.

    Args:
        transcript: The answer.
        base_url: What addresses in the answer are relative to.
        error: How the stream broke off, "" if it did not.
    """
    addresses = (resolved_address(each, base_url) for each in result_addresses(transcript))
    if found := tuple(dict.fromkeys(filter(None, addresses))):
        return found[:MAX_ADDRESSES]
    text = transcript.final_words or transcript.notices.strip()
    if error and not transcript.is_complete and not transcript.says_failure:
        # Half a sentence is no refusal.
        return upstream_failure("stream:disconnected", error)
    if (failure := classify_chat(transcript)) is not None:
        # A page of a proxy, or a document that says nothing: a chat may go on behind it.
        is_foreign = bool(transcript.document) and failure.kind is FailureKind.UNKNOWN
        return replace(failure, rule="stream:no_chat") if is_foreign else failure
    if transcript.is_complete:
        return upstream_failure("stream:no_video", text or "the answer held no video")
    return upstream_failure("stream:disconnected", text or "closed without [DONE]")
