"""What happened: evidence, transitions, incidents, attempts, the ledger."""
