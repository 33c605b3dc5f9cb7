"""Where a run's working files lie: one folder per attempt, so that two attempts never share a file."""

from pathlib import Path

EVENTS_FILE = "events.jsonl"
LOG_FILE = "trainer.log"
ASSIGNMENT_FILE = "assignment.json"
CHECKPOINTS = "checkpoints"


def attempt_folder(runs_dir: Path, run_id: str, epoch: int) -> Path:
    """The folder of one attempt; the epoch of its lease names it."""
    return runs_dir / run_id / f"attempt-{epoch}"


def checkpoint_folder(runs_dir: Path, run_id: str, epoch: int, step: int) -> Path:
    """The folder of one checkpoint, within that of the attempt that wrote it."""
    return attempt_folder(runs_dir, run_id, epoch) / CHECKPOINTS / checkpoint_name(step)


def checkpoint_name(step: int) -> str:
    """What the folder of a checkpoint is called within its attempt's folder of checkpoints."""
    return f"step-{step:08d}"


def read_log(runs_dir: Path, run_id: str, epoch: int, *, max_bytes: int = 256_000) -> str:
    """The end of the trainer's log, from a line's start; empty when there is none yet."""
    path = attempt_folder(runs_dir, run_id, epoch) / LOG_FILE
    if not path.is_file():
        return ""
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - max_bytes))
        text = stream.read().decode("utf-8", errors="replace")
    return text if size <= max_bytes else text.partition("\n")[2]
