"""One `/v1/videos` address that keeps working when a service does not."""
