"""The simulator: upstreams over real HTTP on loopback, with scripted faults and a ledger."""
