"""Rows of runs: the run itself, its points, its events and its sample answers."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from studio.datasets import DatasetVersion
from studio.db import Base, UtcDateTime, utc_now
from studio.ids import new_id
from studio.runs.spec import RunSpec
from studio.runs.status import ACTIVE, CAPS, DESIRED_WORDS, FAILURE_WORDS, PHASE_WORDS, STATUS_WORDS, TERMINAL
from studio.runs.triggers import attach_triggers


class Run(Base):
    """One training. `desired` is written by people; `status` and what follows it by the holder of the lease.

    `kind` is `training` or `trial`; `quote` is the estimate that the person saw at launch, `trial` what a trial found.
    `idle_attempts` counts attempts in a row that ended without a new checkpoint. `attempt` is one more while the run
    is held, as in version 0.1, whose workers give a run up at three.
    """

    __tablename__ = "runs"
    __table_args__ = (
        UniqueConstraint("owner_id", "idempotency_key"),
        CheckConstraint(
            "status IN ('queued','starting','running','finalizing','succeeded','failed','cancelled')",
            name="status",
        ),
        CheckConstraint("desired IN ('run','pause','keep','cancel')", name="desired"),
        Index("ix_runs_status_queued_at", "status", "queued_at"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True, default=lambda: new_id("run"))
    owner_id: Mapped[str] = mapped_column(String(40), index=True)
    name: Mapped[str] = mapped_column(String(200))
    spec: Mapped[dict[str, Any]] = mapped_column(JSON)
    method: Mapped[str] = mapped_column(String(40))
    base_model: Mapped[str] = mapped_column(String(200))
    dataset_version_id: Mapped[str] = mapped_column(ForeignKey("dataset_versions.id"), index=True)
    parent_run_id: Mapped[str | None] = mapped_column(ForeignKey("runs.id"))
    idempotency_key: Mapped[str | None] = mapped_column(String(80))
    desired: Mapped[str] = mapped_column(String(10), default="run")

    status: Mapped[str] = mapped_column(String(20), default="queued")
    epoch: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    owner: Mapped[str | None] = mapped_column(String(120))
    lease_until: Mapped[float] = mapped_column(Float(53), default=0.0)
    not_before: Mapped[float] = mapped_column(Float(53), default=0.0)
    next_seq: Mapped[int] = mapped_column(default=1)
    dispatched_at: Mapped[float | None] = mapped_column(Float(53))
    checkpoint_step: Mapped[int | None]
    checkpoint_epoch: Mapped[int | None]
    claimed_step: Mapped[int | None]
    idle_attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    hangs: Mapped[int] = mapped_column(default=0, server_default="0")
    resume_note: Mapped[str] = mapped_column(String(300), default="", server_default="")

    kind: Mapped[str] = mapped_column(String(20), default="training", server_default="training")
    quote: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    trial: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    license_statement: Mapped[str] = mapped_column(Text, default="", server_default="")
    stopped_by: Mapped[str | None] = mapped_column(String(20))
    seconds_saved: Mapped[float | None] = mapped_column(Float(53))
    ladder_id: Mapped[str | None] = mapped_column(String(40), index=True)
    rung: Mapped[int | None]

    phase: Mapped[str] = mapped_column(String(20), default="waiting")
    phase_note: Mapped[str] = mapped_column(String(300), default="")
    step: Mapped[int] = mapped_column(default=0)
    total_steps: Mapped[int] = mapped_column(default=0)
    seconds_left: Mapped[float | None] = mapped_column(Float(53))
    tokens_per_second: Mapped[float | None] = mapped_column(Float(53))
    peak_memory_bytes: Mapped[float | None] = mapped_column(Float(53))
    initial_validation_loss: Mapped[float | None] = mapped_column(Float(53))
    best_validation_loss: Mapped[float | None] = mapped_column(Float(53))
    best_step: Mapped[int | None]
    last_train_loss: Mapped[float | None] = mapped_column(Float(53))
    last_validation_loss: Mapped[float | None] = mapped_column(Float(53))
    resolved: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    failure_kind: Mapped[str | None] = mapped_column(String(20))
    failure_reason: Mapped[str] = mapped_column(Text, default="")

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    dataset_version: Mapped[DatasetVersion] = relationship(lazy="joined")
    mixed: Mapped[list["MixedVersion"]] = relationship(cascade="all, delete-orphan")

    @validates("spec")
    def _name_mixed_versions(self, key: str, spec: dict[str, Any]) -> dict[str, Any]:
        """So that no dataset goes while a run needs it, also not one that is only mixed in."""
        mixed = {part["dataset_version_id"] for part in spec.get("data", {}).get("mix", ())}
        self.mixed = [MixedVersion(version_id=version_id) for version_id in sorted(mixed)]
        return spec

    @property
    def run_spec(self) -> RunSpec:
        """The spec, validated."""
        return RunSpec.model_validate(self.spec)

    @property
    def is_active(self) -> bool:
        """A worker holds it."""
        return self.status in ACTIVE

    @property
    def is_over(self) -> bool:
        """It will not change any more."""
        return self.status in TERMINAL

    @property
    def ended_at_cap(self) -> bool:
        """Its own cap ended it: a higher one lets it go on. Trials keep nothing, and ladders have caps of their own."""
        return self.is_over and self.stopped_by in CAPS and self.kind == "training" and self.ladder_id is None

    @property
    def last_seq(self) -> int:
        """The number of its newest point or event: who knows all up to it follows the run from there."""
        return self.next_seq - 1

    @property
    def status_words(self) -> str:
        """The status as a person says it."""
        if self.is_paused:
            return "Paused"
        if self.desired in DESIRED_WORDS and not self.is_over:
            return DESIRED_WORDS[self.desired]
        return STATUS_WORDS[self.status]

    @property
    def is_paused(self) -> bool:
        """A person paused it, and no worker holds it any more."""
        return self.status == "queued" and self.desired == "pause"

    @property
    def phase_words(self) -> str:
        """What the trainer is doing now."""
        return PHASE_WORDS.get(self.phase, self.phase)

    @property
    def failure_sentence(self) -> str:
        """What happened, in one sentence."""
        return FAILURE_WORDS[self.failure_kind][0] if self.failure_kind else ""

    @property
    def failure_advice(self) -> str:
        """What to do about it."""
        return FAILURE_WORDS[self.failure_kind][1] if self.failure_kind else ""


class MixedVersion(Base):
    """A dataset version that a run mixes in beside its own."""

    __tablename__ = "mixed_versions"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    version_id: Mapped[str] = mapped_column(ForeignKey("dataset_versions.id"), primary_key=True, index=True)


class Point(Base):
    """A metric's value at a step, of one attempt (epoch of the lease). NaN and infinities are kept as a kind.

    What lies behind the checkpoint that a later attempt resumed from is superseded: kept, and hidden.
    """

    __tablename__ = "points"
    __table_args__ = (Index("ix_points_run_id_seq", "run_id", "seq"),)

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[float | None] = mapped_column(Float(53))
    kind: Mapped[str] = mapped_column(String(4), default="num")
    seq: Mapped[int]
    superseded: Mapped[bool] = mapped_column(default=False, server_default=false())


class PointBlock(Base):
    """What the visible points of one kind within 64 neighbouring steps come to; `block` counts them from step 0."""

    __tablename__ = "point_blocks"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    block: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(4), primary_key=True)
    count: Mapped[int]
    total: Mapped[float | None] = mapped_column(Float(53))
    low: Mapped[float | None] = mapped_column(Float(53))
    high: Mapped[float | None] = mapped_column(Float(53))
    last_step: Mapped[int]


class RunEvent(Base):
    """Something that happened to a run."""

    __tablename__ = "run_events"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int]
    kind: Mapped[str] = mapped_column(String(40))
    message: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class SampleAnswer(Base):
    """What the model answers to a held-out prompt at a step."""

    __tablename__ = "sample_answers"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    row_number: Mapped[int]
    prompt: Mapped[str] = mapped_column(Text)
    expected: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    superseded: Mapped[bool] = mapped_column(default=False, server_default=false())


class Checkpoint(Base):
    """A verified folder on disk, from which the run can resume; the run's row points to the committed one."""

    __tablename__ = "checkpoints"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
    epoch: Mapped[int] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(primary_key=True)
    manifest_sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    best_step: Mapped[int | None]
    best_validation_loss: Mapped[float | None] = mapped_column(Float(53))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)


class Worker(Base):
    """A worker that lives or has lived; `last_seen` is the database's clock, in Unix seconds.

    `memory_bytes` is that of its GPU, or of the machine without one.
    """

    __tablename__ = "workers"

    owner: Mapped[str] = mapped_column(String(120), primary_key=True)
    host: Mapped[str] = mapped_column(String(120))
    version: Mapped[str] = mapped_column(String(40))
    gpu: Mapped[str | None] = mapped_column(String(40))
    device: Mapped[str] = mapped_column(String(120), default="", server_default="")
    memory_bytes: Mapped[int | None] = mapped_column(BigInteger)
    cores: Mapped[int | None]
    run_id: Mapped[str | None] = mapped_column(String(40))
    note: Mapped[str] = mapped_column(String(300), default="", server_default="")
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, default=utc_now)
    last_seen: Mapped[float] = mapped_column(Float(53))


attach_triggers(Run.__table__)
