"""What the supervisor hands to the trainer process, as a JSON file: the spec and where things lie on this machine."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from studio.budget.capping import Cap
from studio.runs import RunSpec
from studio.runs.folders import ASSIGNMENT_FILE


class MixFiles(BaseModel):
    """Where the rows of one part of the mix lie; what they are, the spec says."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows_path: Path
    offsets_path: Path
    split_codes_path: Path | None = None


class Assignment(BaseModel):
    """Everything a trainer needs; no credentials."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    epoch: int
    run_name: str
    spec: RunSpec
    base_model_folder: Path
    base_revision: str | None
    rows_path: Path
    offsets_path: Path
    row_count: int
    canonical: str
    dataset_name: str
    split_codes_path: Path | None = None
    """The codes of a frozen split; other splits are computed from the spec."""
    mix: tuple[MixFiles, ...] = ()
    """The other datasets of the spec, in its order."""
    gpu: str | None = None
    checkpoint: Path | None = None
    """A verified folder to resume from; it may be one of an earlier attempt."""
    keep_only: bool = False
    """Export the best weights of `checkpoint`, without training."""
    checkpoint_steps: int = 200
    checkpoint_seconds: float = 300.0
    purpose: Literal["training", "trial"] = "training"
    """A trial runs a few steps, an evaluation, a checkpoint and a generation, and reports what they took."""
    cap: Cap | None = None
    """What earlier attempts have left of the budget."""
    held_since: float | None = None
    """The machine's monotonic clock when this attempt was claimed."""
    dollars_per_hour: float | None = None
    license_statement: str = ""
    token_cache: Path | None = None
    """The folder of tokenised rows; without one every run tokenises its own."""

    def write(self, folder: Path) -> None:
        """Write it into the attempt's folder."""
        (folder / ASSIGNMENT_FILE).write_text(self.model_dump_json(indent=2), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Assignment":
        """Read it from the attempt's folder."""
        return cls.model_validate_json((folder / ASSIGNMENT_FILE).read_text(encoding="utf-8"))
