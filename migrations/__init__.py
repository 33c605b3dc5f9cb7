"""Migrations of the database, applied by `studio.migrate`."""
