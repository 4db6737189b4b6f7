"""The rehearsal: the real judge and probe plan on traces of known status, in virtual time."""
