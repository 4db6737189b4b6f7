"""What an inference server, or the proxy that its operator put before it, says in a refusal.

Such a server knows no wallet and no risk control; these are the words of whoever stands before it.
They stand in no public source and are our own.
"""

from collections.abc import Mapping

from tallylight.simulator.faults import Sign

WORDS: Mapping[Sign, tuple[int, str]] = {
    Sign.RISK_CONTROL: (403, "Just a moment... Verify that you are human."),
    Sign.SUSPENDED: (503, "This model is temporarily paused."),
    Sign.MAINTENANCE: (503, "The server is under maintenance."),
    Sign.OVERLOADED: (503, "The server is overloaded."),
    Sign.RATE_LIMITED: (429, "Too many requests, slow down."),
    Sign.QUOTA: (402, "Insufficient balance."),
    Sign.AUTH: (401, "Unauthorized"),
    Sign.CONTENT_REJECTED: (400, "The prompt was blocked by the safety checker."),
}
