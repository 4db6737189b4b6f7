"""Finds out which API answers at an address, by free questions alone."""
