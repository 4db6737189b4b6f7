"""The status app: HTML pages, JSON APIs, an Atom feed, badges, metrics and health checks."""
