"""Importing: a file checked by `python -m studio.importing FOLDER`, fetched before that where it lies elsewhere."""

# Where the canonical rows lie, and what was fetched, within the folder of the chore.
CHECKED_FOLDER, FETCHED_FOLDER = "checked", "fetched"

__all__ = ["CHECKED_FOLDER", "FETCHED_FOLDER"]
