"""Speaks to video APIs: words to wire and back, answers to failures, feeds to evidence."""
