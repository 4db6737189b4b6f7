"""Signed messages that report the end of a video."""
