"""Judges evidence: verdicts, availability, incidents. Nothing here touches the world."""
