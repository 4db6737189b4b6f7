"""Which links of a chat answer are results, by all that the answer says."""

from collections.abc import Iterator

from tallylight.upstreams.chat_links import find_links, without_addresses
from tallylight.upstreams.classify import codes, vocabulary
from tallylight.upstreams.classify.chat_transcript import ChatTranscript
from tallylight.upstreams.normalize import normalize_text
from tallylight.upstreams.status_words import status_meaning


def result_addresses(chat: ChatTranscript) -> Iterator[str]:
    """Yield the addresses of results as the answer has them, best first.

    A link that the answer names as its video is a result even if the words beside it read as a
    failure ("valid for 24 hours"), and a link to a film even after an error. Any other address
    beside a failure is a help page.
    """
    yield from reversed(chat.addresses)
    after_mark = chat.text_after_failure_mark
    has_failed = _reads_as_failure(chat)
    for link in find_links(chat.content if after_mark is None else after_mark):
        is_whole = chat.is_complete or link.is_whole
        if is_whole and (link.form.is_named or not has_failed):
            yield link.address
    for link in find_links(chat.notices):
        if link.is_whole and (link.form.is_certain or (link.form.is_named and not has_failed)):
            yield link.address
    for link in find_links(chat.content_before_error):
        if link.is_whole and link.form.is_certain:
            yield link.address


def ends_in_failure(chat: ChatTranscript) -> bool:
    """Tell whether the reason why a chat ended is a failure, such as a content filter."""
    names = ((chat.ending_code,),)
    state = status_meaning(chat.ending_code)
    is_failed = state is not None and state.is_failure
    return is_failed or bool(codes.specific_code_rule(names) or codes.generic_code_rule(names))


def _reads_as_failure(chat: ChatTranscript) -> bool:
    words = normalize_text(without_addresses(chat.content))
    return chat.says_failure or ends_in_failure(chat) or vocabulary.phrase_rule(words) is not None
