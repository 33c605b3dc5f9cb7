"""What a trainer says, one JSON object a line in `events.jsonl`; written by the child, read by its supervisor."""

import json
import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from studio.runs.status import FailureKind, Phase

Kind = Literal["num", "nan", "inf", "-inf"]
StoppedBy = Literal["early_stopping", "max_dollars", "max_hours"]


class _Event(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Measured(_Event):
    """Metrics at an optimizer step (counted from 1; 0 is before training)."""

    t: Literal["measured"] = "measured"
    step: int
    values: dict[str, float | Literal["nan", "inf", "-inf"]]


class PhaseBegan(_Event):
    """The trainer does something else from now on."""

    t: Literal["phase"] = "phase"
    phase: Phase
    note: str = ""


class Progressed(_Event):
    """How far training is."""

    t: Literal["progress"] = "progress"
    step: int
    total_steps: int
    seconds_left: float | None = None
    tokens_per_second: float | None = None
    peak_memory_bytes: float | None = None


class Answered(_Event):
    """Sample answers to held-out prompts."""

    t: Literal["answers"] = "answers"
    step: int
    answers: list["Answer"]


class Answer(_Event):
    """One sample answer; `row_number` counts the dataset's rows from 1."""

    position: int
    row_number: int
    prompt: str
    expected: str
    answer: str


class BestMoved(_Event):
    """A new best checkpoint."""

    t: Literal["best"] = "best"
    step: int
    validation_loss: float


class Checkpointed(_Event):
    """A checkpoint is whole on disk, in the attempt's folder; it holds everything up to and including `step`."""

    t: Literal["checkpointed"] = "checkpointed"
    step: int
    manifest_sha256: str
    size_bytes: int
    best_step: int | None = None
    best_validation_loss: float | None = None


class Resumed(_Event):
    """The trainer goes on behind a checkpoint; `difference` says in words why its numbers may not be the same."""

    t: Literal["resumed"] = "resumed"
    step: int
    difference: str = ""


class Resolved(_Event):
    """What the spec came to on this machine: versions, device, dtype, steps, rows, trained parameters."""

    t: Literal["resolved"] = "resolved"
    config: dict[str, Any]


class Noted(_Event):
    """Something a person should know."""

    t: Literal["note"] = "note"
    kind: Literal["note", "warning"] = "note"
    message: str


class Failed(_Event):
    """The trainer gives up; `reason` is a sentence, the traceback is in the log."""

    t: Literal["failed"] = "failed"
    kind: FailureKind
    reason: str


class Alerted(_Event):
    """A curve shows something that a person should know; each kind is kept once a run. `facts` fill its words."""

    t: Literal["alert"] = "alert"
    kind: str
    step: int
    facts: dict[str, float] = Field(default_factory=dict)


class Stopped(_Event):
    """Training ends before its last step, for a reason that is no failure; the best weights are exported."""

    t: Literal["stopped"] = "stopped"
    by: StoppedBy
    step: int
    total_steps: int
    seconds_saved: float | None = None


class Tried(_Event):
    """What a trial run found."""

    t: Literal["tried"] = "tried"
    report: dict[str, Any]


class Exported(_Event):
    """The archive is whole; `archive` is its name inside the run's folder."""

    t: Literal["exported"] = "exported"
    archive: str
    sha256: str
    size_bytes: int
    files: list[dict[str, Any]]
    step: int
    validation_loss: float | None
    trained_parameters: int
    base_revision: str | None


Event = Annotated[
    Measured
    | PhaseBegan
    | Progressed
    | Answered
    | BestMoved
    | Checkpointed
    | Resumed
    | Resolved
    | Noted
    | Failed
    | Alerted
    | Stopped
    | Tried
    | Exported,
    Field(discriminator="t"),
]
_ADAPTER: TypeAdapter[Event] = TypeAdapter(Event)


def encode_value(value: float) -> float | Literal["nan", "inf", "-inf"]:
    """JSON has no NaN: name what is not finite."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "nan"
    return "inf" if value > 0 else "-inf"


def split_value(value: float | str) -> tuple[float | None, str]:
    """The two columns of a point: the number or None, and its kind."""
    return (None, value) if isinstance(value, str) else (value, "num")


def event_line(event: _Event) -> str:
    """One line, with its newline."""
    return json.dumps(event.model_dump(mode="json"), ensure_ascii=True, allow_nan=False) + "\n"


def parse_event(line: str | bytes) -> Event:
    """Read one line; raises pydantic's ValidationError."""
    return _ADAPTER.validate_json(line)
