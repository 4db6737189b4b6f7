"""The one job engine: takes an attempt from its intent to its end, for probes and callers alike."""
