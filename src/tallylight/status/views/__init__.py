"""Turns verdicts, evidence and intervals into the texts and shapes that are shown; pure."""
