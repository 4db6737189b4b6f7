"""Classifies answers and exceptions by tables of rules. See `docs/classification.md`."""

from tallylight.upstreams.classify.decision import classify, classify_chat

__all__ = ["classify", "classify_chat"]
