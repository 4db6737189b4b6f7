"""What an inference server, or the proxy that its operator put before it, says in a refusal.

Such a server knows no wallet and no risk control; these are the words of whoever stands before it.
They stand in no public source and are our own.
"""

from collections.abc import Mapping

from tallylight.simulator.faults import NamedState

STATE_ERRORS: Mapping[NamedState, tuple[int, str]] = {
    NamedState.RISK_CONTROL: (403, "Just a moment... Verify that you are human."),
    NamedState.SUSPENDED: (503, "This model is temporarily paused."),
    NamedState.MAINTENANCE: (503, "The server is under maintenance."),
    NamedState.OVERLOADED: (503, "The server is overloaded."),
    NamedState.RATE_LIMITED: (429, "Too many requests, slow down."),
    NamedState.QUOTA: (402, "Insufficient balance."),
    NamedState.AUTH: (401, "Unauthorized"),
    NamedState.CONTENT_REJECTED: (400, "The prompt was blocked by the safety checker."),
}
