"""The outcome of a chat answer: a video, or why there is none."""

from tallylight.model.evidence import Failure
from tallylight.upstreams.addresses import resolved
from tallylight.upstreams.classify import classify_chat
from tallylight.upstreams.classify.chat_results import result_addresses
from tallylight.upstreams.classify.chat_transcript import ChatTranscript
from tallylight.upstreams.json_access import json_http_url
from tallylight.upstreams.protocols.failures import upstream_failure


def chat_outcome(
    transcript: ChatTranscript, dialect: str, base_url: str, *, error: str
) -> str | Failure:
    """Return the URL of the result, or why there is none.

    Args:
        transcript: The answer.
        dialect: The dialect of the upstream.
        base_url: What addresses in the answer are relative to.
        error: How the stream broke off, "" if it did not.
    """
    addresses = (resolved(each, base_url) for each in result_addresses(transcript))
    if url := next(filter(None, map(json_http_url, addresses)), ""):
        return url
    text = transcript.final_words or transcript.notices.strip()
    if error and not transcript.is_complete and not transcript.says_failure:
        # Half a sentence is no refusal.
        return upstream_failure("stream:disconnected", error)
    if (failure := classify_chat(transcript, dialect)) is not None:
        return failure
    if transcript.is_complete:
        return upstream_failure("stream:no_video", text or "the answer held no video")
    return upstream_failure("stream:disconnected", text or "closed without [DONE]")
