"""Mending: the steps of a recipe applied to the rows of a version, in a child, `python -m studio.mending FOLDER`."""

CHANGES_FILE, CHANGES_OFFSETS_FILE = "changes.jsonl", "changes.offsets"
ORIGINS_FILE, CODES_FILE = "rows.origins", "split.codes"
# In a file of origins, which holds a 64-bit number for each row, this bit says that the row was changed.
CHANGED_BIT = 1 << 63
# In such a file it stands for a row that the parent has not: it was added.
ADDED = 0
# More are counted, not kept: nobody pages through so many before deciding.
CHANGES_KEPT = 1000

__all__ = [
    "ADDED",
    "CHANGED_BIT",
    "CHANGES_FILE",
    "CHANGES_KEPT",
    "CHANGES_OFFSETS_FILE",
    "CODES_FILE",
    "ORIGINS_FILE",
]
