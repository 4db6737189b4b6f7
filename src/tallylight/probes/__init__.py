"""Active checks: plans the probes of each service, sends them and reports their evidence."""
