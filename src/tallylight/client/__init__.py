"""The Python library: `Monitor` and `VideoClient`, with and without an event loop."""
