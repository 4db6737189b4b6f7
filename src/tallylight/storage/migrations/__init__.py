"""The tables' history: one file of `versions` for each change, run by Alembic."""
