"""The asset store for completed videos and references, and the content that is served from it."""
