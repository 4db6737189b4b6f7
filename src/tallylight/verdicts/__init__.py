"""The judge: verdicts, incidents and availability from evidence. Everything here is pure."""
