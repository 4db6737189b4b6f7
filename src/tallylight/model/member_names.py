"""The names of members in requests, as servers match them."""

import unicodedata

MAX_NAME_LENGTH = 64


def folded_name(name: str) -> str:
    """Return a name in lower case without punctuation: "durationSeconds" is "durationseconds".

    Servers in Go match names without regard to case, and by Unicode's folding; those that read
    protocol buffers take `service_tier` and `serviceTier` for one.
    """
    folded = unicodedata.normalize("NFKC", name[-MAX_NAME_LENGTH:]).casefold()
    return "".join(filter(str.isalnum, folded))
