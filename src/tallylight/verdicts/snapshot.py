"""Standings as JSON, so that a restart goes on where the process ended."""

from pydantic import TypeAdapter

from tallylight.verdicts.state import ServiceState

_STATE = TypeAdapter(ServiceState)


def dump_state(state: ServiceState) -> str:
    """Return the standing as JSON, without what is at its default."""
    return _STATE.dump_json(state, exclude_defaults=True).decode()


def load_state(text: str) -> ServiceState:
    """Return the standing that `dump` wrote.

    Raises:
        pydantic.ValidationError: if the text is no standing, or one of another make.
    """
    return _STATE.validate_json(text)
