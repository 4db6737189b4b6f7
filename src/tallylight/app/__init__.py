"""Wires every room, starts and stops them; no rule lives here."""
