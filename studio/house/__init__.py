"""Keeping house: who works and what waits, what the disk holds, whether rows and files fit each other, what can go."""

from studio.house.caches import prune_caches
from studio.house.findings import Finding, House, open_house
from studio.house.fsck import LastCheck, check, examine, last_check, note_check
from studio.house.overview import QueueSight, WorkerSight, count_chores, list_workers, read_queue
from studio.house.sweep import SWEEP_SECONDS, Swept, sweep
from studio.house.usage import Usage, UsageMeter

__all__ = [
    "SWEEP_SECONDS",
    "Finding",
    "House",
    "LastCheck",
    "QueueSight",
    "Swept",
    "Usage",
    "UsageMeter",
    "WorkerSight",
    "check",
    "count_chores",
    "examine",
    "last_check",
    "list_workers",
    "note_check",
    "open_house",
    "prune_caches",
    "read_queue",
    "sweep",
]
