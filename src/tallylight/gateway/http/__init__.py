"""The gateway over HTTP: the Videos API as the official OpenAI SDKs call it."""
