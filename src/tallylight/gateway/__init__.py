"""One `/v1/videos` API that keeps working when a service fails."""
