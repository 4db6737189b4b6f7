"""Which services sell the same model, by their names."""

import re

_ACCESS_WORDS = re.compile(
    r"官轉|官转|官逆|官方|逆向|反代|(?<![a-z])(?:official|reverse|self[-_ ]hosted)(?![a-z])",
    re.IGNORECASE,
)
_NOT_NAME = re.compile(r"[^a-z0-9.]+")
_JOINTS = re.compile(r"[\s()（）·_-]+")


def model_family(name: str) -> str:
    """Return a service's name without its kind of access: "Sora 2" of "Sora 2 官逆"."""
    bare = _ACCESS_WORDS.sub(" ", name)
    return _JOINTS.sub(" ", bare).strip() or name


def usual_name(title: str) -> str:
    """Return the name by which callers ask for a model: "seedance-2.5" of "Seedance 2.5"."""
    return _NOT_NAME.sub("-", model_family(title).lower()).strip("-.")
