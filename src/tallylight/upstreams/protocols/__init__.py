"""Wire dialects as pure translation: our words to requests, replies to our words.

Nothing here opens a socket, reads a clock or tosses a coin; `transport` sends what is made here.
"""
