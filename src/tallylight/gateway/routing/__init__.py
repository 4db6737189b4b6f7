"""Which services can serve a request, and in which order they are asked."""
