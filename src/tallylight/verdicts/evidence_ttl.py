"""How long evidence counts, derived from the intervals of the probes that renew it."""

from datetime import timedelta

from tallylight.catalogue.services import Service
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.policy import Policy

DEFAULT_JOBS_TTL = timedelta(hours=6)
"""How long evidence on jobs counts without generation probes: twice the interval of 3 hours that
the rules were measured with (`docs/verdicts.md`)."""


def service_policy(service: Service, options: PolicyOptions) -> Policy:
    """Return the policy that a service is judged by.

    Evidence on the API counts for two intervals; evidence on jobs counts for four, because the
    budget may stretch the interval of an expensive probe to three.
    """
    intervals, upstream = service.probe_intervals, service.upstream
    free = [each for each in (intervals.reach, intervals.credentials) if each is not None]
    jobs = intervals.generation
    api_ttl = 2 * min(free) + upstream.timeout if free else DEFAULT_JOBS_TTL
    jobs_ttl = DEFAULT_JOBS_TTL if jobs is None else 4 * jobs + upstream.job_timeout
    return options.policy(access=service.access, api_ttl=api_ttl, jobs_ttl=jobs_ttl)
