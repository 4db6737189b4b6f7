"""Looks for itself: which probe is worth its money now, sending it, following it to its end."""
