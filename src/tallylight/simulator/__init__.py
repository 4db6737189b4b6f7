"""The upstream world in miniature: real HTTP on loopback, scripted trouble, its own ledger."""
