"""Which paths are the operator's, not for web pages of other sites: money, strangers' words."""

import re
from typing import Final

_PRIVATE: Final = re.compile(
    r"/+(?:metrics|api/(?:ledger|advice|budgets)|api/services/[^/]+/evidence)/*"
)

FOREIGN_KEY: Final = "tallylight.is_foreign"
"""The key of a request's scope that says that another web site sent it."""


def is_private_path(path: str) -> bool:
    """Tell whether what a path shows is not for web pages of other origins."""
    return _PRIVATE.fullmatch(path) is not None
