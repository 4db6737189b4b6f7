"""YAML documents as checked values: reading, substitution, parsing, and messages about errors."""
