"""The gateway over HTTP: the Videos API, as its official SDKs speak it."""
