"""The files that outlive a process: checkpoints and archives. What is in them says where it came from."""

from dataclasses import dataclass

from studio.runs import Checkpoint

# A training's state is everything that it has measured: step n's loss is at n - 1. Every attempt measures other
# numbers, so a curve that was mixed from two of them equals no chain.
Chain = tuple[float, ...]
Key = tuple[str, int, int]


@dataclass(slots=True)
class Saved:
    """A checkpoint's folder, whole and renamed into place, or an archive."""

    chain: Chain
    written_at: float
    is_evaluated: bool
    """Whether the evaluation that was due at its step is in it; else the next attempt makes up for it."""
    is_damaged: bool = False

    @property
    def step(self) -> int:
        """The optimizer step that it holds."""
        return len(self.chain)


class Disk:
    """Folders of checkpoints by run, epoch and step, and archives by their key in storage."""

    def __init__(self) -> None:
        self.folders: dict[Key, Saved] = {}
        self.archives: dict[str, Saved] = {}

    def publish(self, run_id: str, epoch: int, saved: Saved) -> None:
        """Rename a folder into place; a crash before leaves nothing."""
        self.folders[(run_id, epoch, saved.step)] = saved

    def committed(self, checkpoint: Checkpoint) -> Saved:
        """The folder that the row names."""
        return self.folders[(checkpoint.run_id, checkpoint.epoch, checkpoint.step)]

    def newest(self, run_id: str) -> Saved | None:
        """The folder that was written last, whoever wrote it: what the broken variant resumes from."""
        mine = [saved for (owner, _, _), saved in self.folders.items() if owner == run_id and not saved.is_damaged]
        return max(mine, key=lambda saved: saved.written_at, default=None)
