"""Selects the services that can serve a request, and their order."""
