"""Providers' status pages, read as evidence: pure readers, one file a format."""
