"""The state of alerts as JSON, so that a restart neither repeats nor forgets what was told."""

from pydantic import TypeAdapter, ValidationError

from tallylight.alerts.state import AlertState

_STATE = TypeAdapter(AlertState)


def dump_alert_state(state: AlertState) -> str:
    """Return the state as JSON."""
    return _STATE.dump_json(state).decode()


def load_alert_state(text: str) -> AlertState:
    """Return the state of a JSON text; an empty one if another version of tallylight wrote it.

    What is forgotten then is told once more, which is better than not to start.
    """
    try:
        return _STATE.validate_json(text)
    except ValidationError:
        return AlertState()
