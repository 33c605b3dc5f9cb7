"""What of a run, beside its tensors, a checkpoint holds: everything that the next step depends on, as plain JSON."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from studio.runs import Plan

STATE_FILE = "state.json"
FORMAT: Literal[1] = 1


class _Part(BaseModel):
    # JSON has no NaN, and a validation loss may be one.
    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")


class Best(_Part):
    """The lowest validation loss so far, and its step."""

    step: int
    loss: float


class Report(_Part):
    """What the reporter knows of the run so far."""

    points: list[tuple[int, str, float]] = Field(default_factory=list)
    best: Best | None = None
    last_loss: float | None = None
    evaluations: int = 0
    evaluating_seconds: float = 0.0
    step_seconds: float = 0.0
    logged_tokens: float = 0.0
    logged_step: int = 0
    ended: str = Field("", exclude=True)
    """Why training ended before its last step; found anew by whoever resumes behind it."""

    def loss_at(self, step: int) -> float | None:
        """The validation loss that was measured at this very step."""
        return next((loss for at, name, loss in self.points if name == "eval/loss" and at == step), None)

    def seconds_left(self, plan: Plan, step: int) -> float:
        """What the steps and evaluations behind `step` will take at the present pace."""
        evaluation = self.evaluating_seconds / max(1, self.evaluations)
        evaluations_left = max(0, plan.evaluations - self.evaluations)
        return (plan.steps - step) * self.step_seconds + evaluations_left * evaluation


class Counters(_Part):
    """What the trainer has added up since its last log."""

    loss: float = 0.0
    logged_step: int = 0
    tokens: int = 0
    metrics: dict[str, list[float]] = Field(default_factory=dict)


class DataReference(_Part):
    """The file of tokenised rows, by its content."""

    sha256: str
    train_rows: int
    validation_rows: int


class State(_Part):
    """A run at the boundary behind an optimizer step."""

    format: Literal[1] = FORMAT
    step: int
    data: DataReference
    threads: int
    pending_evaluation: bool
    counters: Counters
    report: Report
    resolved: dict[str, Any]
    optimizer: Any = None
    scheduler: Any = None

    def write(self, folder: Path) -> None:
        """Write it into a checkpoint's folder."""
        (folder / STATE_FILE).write_text(self.model_dump_json(), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "State":
        """Read it from a checkpoint's folder."""
        return cls.model_validate_json((folder / STATE_FILE).read_bytes())
