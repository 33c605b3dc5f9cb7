"""Copies for bad days: the database and every file that it names, taken while the studio runs, and put back."""

from studio.copies.backup import back_up
from studio.copies.restore import restore

__all__ = ["back_up", "restore"]
