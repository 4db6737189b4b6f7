"""Signed webhooks that report when a video completes or fails."""
