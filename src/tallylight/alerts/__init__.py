"""Tell people: which change reaches whom, and how."""
