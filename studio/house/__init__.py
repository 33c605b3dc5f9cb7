"""Keeping house: whether rows and files fit each other, copies for bad days, and what can go."""

from studio.house.backup import back_up
from studio.house.findings import Finding, House, open_house
from studio.house.fsck import LastCheck, check, examine, last_check, note_check
from studio.house.restore import restore
from studio.house.sweep import SWEEP_SECONDS, Swept, sweep

__all__ = [
    "SWEEP_SECONDS",
    "Finding",
    "House",
    "LastCheck",
    "Swept",
    "back_up",
    "check",
    "examine",
    "last_check",
    "note_check",
    "open_house",
    "restore",
    "sweep",
]
