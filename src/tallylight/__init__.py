"""Watches video generation services, judges them, remembers, and tells which one is live."""
