"""Chores: long work on the CPU, such as checking a dataset; each is a row, and a child process of a worker does it."""

from studio.chores.models import Chore, ChoreKind
from studio.chores.protocol import (
    HINT_SECONDS,
    MOST_CLAIMS,
    ChoreLease,
    ChoreLost,
    claim_next,
    fail,
    finish,
    hand_back,
    reap,
    report,
    take_due,
)
from studio.chores.wishes import ask, cancel, get_chore, newest

__all__ = [
    "HINT_SECONDS",
    "MOST_CLAIMS",
    "Chore",
    "ChoreKind",
    "ChoreLease",
    "ChoreLost",
    "ask",
    "cancel",
    "claim_next",
    "fail",
    "finish",
    "get_chore",
    "hand_back",
    "newest",
    "reap",
    "report",
    "take_due",
]
