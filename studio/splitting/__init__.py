"""Splits that look into the rows: by a field, by groups, by time. They run in a child, `python -m studio.splitting`."""

CODES_FILE = "split.codes"

__all__ = ["CODES_FILE"]
