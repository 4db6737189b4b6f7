"""What exists: fact sheets, the operator's upstreams and services, the file that says so."""
