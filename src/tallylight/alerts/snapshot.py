"""The state of alerts as JSON, so that a restart neither repeats nor forgets notifications."""

import structlog
from pydantic import TypeAdapter, ValidationError

from tallylight.alerts.state import AlertState

log = structlog.get_logger()

_STATE = TypeAdapter(AlertState)


def dump_alert_state(state: AlertState) -> str:
    """Return the state as JSON."""
    return _STATE.dump_json(state).decode()


def load_alert_state(text: str) -> AlertState:
    """Return the state of a JSON text, an empty one if another version of tallylight wrote it.

    With an empty state everything that is down is notified once more.
    """
    try:
        return _STATE.validate_json(text)
    except ValidationError:
        log.warning("alerts.state_unreadable")
        return AlertState()
