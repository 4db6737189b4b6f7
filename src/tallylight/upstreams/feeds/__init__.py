"""Reads providers' status pages as evidence: pure readers, one module per format."""
