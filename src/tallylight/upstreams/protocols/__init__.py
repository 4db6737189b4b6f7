"""Protocol adapters: they translate orders to requests, and replies to jobs or failures.

They are pure: no socket, no clock, no randomness. `transport` sends the requests.
"""
