"""How long evidence holds, from the pace at which it is renewed: two intervals (rule 7)."""

from datetime import timedelta

from tallylight.catalogue.services import Service
from tallylight.verdicts.options import PolicyOptions
from tallylight.verdicts.policy import Policy

DEFAULT_JOBS_TTL = timedelta(hours=6)
"""How long job evidence counts where no generation pace says it: twice the pace of 3 hours that
the rules were measured with (`docs/verdicts.md`)."""


def service_policy(service: Service, options: PolicyOptions) -> Policy:
    """Return the policy that a service is judged by."""
    pace, upstream = service.probe_intervals, service.upstream
    shallow = [p for p in (pace.reach, pace.credentials) if p is not None]
    jobs = pace.generation
    hold_door = 2 * min(shallow) + upstream.timeout if shallow else DEFAULT_JOBS_TTL
    hold_jobs = DEFAULT_JOBS_TTL if jobs is None else 4 * jobs + upstream.job_timeout
    return options.policy(access=service.access, api_ttl=hold_door, jobs_ttl=hold_jobs)
