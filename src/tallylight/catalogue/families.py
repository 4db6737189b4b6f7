"""Which services sell the same model, by their names."""

import re

_ACCESS_WORDS = re.compile(
    r"官轉|官转|官逆|官方|逆向|反代|(?<![a-z])(?:official|reverse|self[-_ ]hosted)(?![a-z])",
    re.IGNORECASE,
)
_JOINTS = re.compile(r"[\s()（）·_-]+")


def model_family(name: str) -> str:
    """Return a service's name without its kind of access: "Sora 2" of "Sora 2 官逆"."""
    bare = _ACCESS_WORDS.sub(" ", name)
    return _JOINTS.sub(" ", bare).strip() or name
