"""What went wrong: answers and exceptions read by tables of rules. See `docs/classification.md`."""

from tallylight.upstreams.classify.decision import classify

__all__ = ["classify"]
