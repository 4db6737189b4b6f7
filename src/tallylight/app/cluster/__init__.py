"""Several processes on one database: one leads, the others follow."""
