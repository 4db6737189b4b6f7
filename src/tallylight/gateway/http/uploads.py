"""A file that came along in a form."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Upload:
    """One file.

    Args:
        name: As its sender calls it.
        media_type: As its sender says, "" if it does not.
        body: All of it.
    """

    name: str
    media_type: str
    body: bytes = field(repr=False)
