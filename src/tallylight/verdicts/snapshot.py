"""Service states as JSON, so that a restart continues where the process ended."""

from pydantic import TypeAdapter

from tallylight.verdicts.state import ServiceState

_STATE = TypeAdapter(ServiceState)


def dump_state(state: ServiceState) -> str:
    """Return the state as JSON, without fields at their defaults."""
    return _STATE.dump_json(state, exclude_defaults=True).decode()


def load_state(text: str) -> ServiceState:
    """Return the state that `dump_state` wrote.

    Raises:
        ValueError: if another version wrote the text, or nothing of ours did.
    """
    return _STATE.validate_json(text)
