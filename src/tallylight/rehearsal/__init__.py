"""Months of trouble in seconds: the real judge and the real plan in a world that is known."""
