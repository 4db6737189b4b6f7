"""The catalogue: fact sheets, prices, upstreams and services."""
