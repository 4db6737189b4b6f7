"""Decides when a provider's status page and the verdicts have disagreed for long enough to tell."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from tallylight.alerts.notification import Notification, NotificationKind
from tallylight.alerts.state import AlertRules, AlertState, Contradiction, ServiceAlert
from tallylight.catalogue.services import Service
from tallylight.model.ids import ProviderId, ServiceId
from tallylight.model.status import TROUBLE_STATUSES, Status


def update_contradictions(
    state: AlertState,
    claims: Mapping[ServiceId, Status],
    now: datetime,
    rules: AlertRules,
    members: Mapping[ServiceId, Service],
) -> tuple[AlertState, tuple[Notification, ...]]:
    """Return the state after this call, and one notification per provider and claim.

    The claims are what status pages say of the services that have a readable one.
    """
    if rules.feed_contradiction is None:
        return replace(state, contradictions={}), ()
    after: dict[ServiceId, Contradiction] = {}
    due: dict[tuple[ProviderId, Status], list[ServiceId]] = defaultdict(list)
    for id_, claim in claims.items():
        if id_ not in members or not _contradicts(claim, state.service_alerts.get(id_)):
            continue
        stands = state.contradictions.get(id_, Contradiction(now))
        if not stands.is_notified and now - stands.since >= rules.feed_contradiction:
            stands = replace(stands, is_notified=True)
            due[members[id_].upstream.provider, claim].append(id_)
        after[id_] = stands
    return replace(state, contradictions=after), tuple(
        Notification(
            NotificationKind.FEED_CONTRADICTS,
            now,
            tuple(services),
            facts={"says": claim.value},
            provider=provider,
        )
        for (provider, claim), services in due.items()
    )


def _contradicts(claim: Status, alert: ServiceAlert | None) -> bool:
    if alert is None or alert.is_unknown:
        return False
    if claim is Status.OPERATIONAL:
        return alert.status in TROUBLE_STATUSES
    return claim in TROUBLE_STATUSES and alert.status is Status.OPERATIONAL
