"""Alerts: which changes are notified, to which receivers, and how they are sent."""
