"""Runs that go on: checkpoints, pause and keep, superseded points, workers' signs of life, and ends that stay."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_GUARD_SQLITE = """
CREATE TRIGGER runs_stay_over BEFORE UPDATE OF status, epoch ON runs
WHEN OLD.status IN ('succeeded','failed','cancelled') AND (NEW.status <> OLD.status OR NEW.epoch <> OLD.epoch)
BEGIN SELECT RAISE(ABORT, 'a run that is over does not change'); END
"""
_GUARD_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change_of_ended_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'a run that is over does not change' USING ERRCODE = 'check_violation'; END $$
"""
_GUARD_POSTGRESQL = """
CREATE OR REPLACE TRIGGER runs_stay_over BEFORE UPDATE OF status, epoch ON runs FOR EACH ROW
WHEN (OLD.status IN ('succeeded','failed','cancelled') AND (NEW.status <> OLD.status OR NEW.epoch <> OLD.epoch))
EXECUTE FUNCTION refuse_change_of_ended_run()
"""


def _new_columns() -> list[sa.Column[object]]:
    """Made anew for each use: a column belongs to one table."""
    return [
        sa.Column("dispatched_at", sa.Float(precision=53), nullable=True),
        sa.Column("checkpoint_step", sa.Integer(), nullable=True),
        sa.Column("checkpoint_epoch", sa.Integer(), nullable=True),
        sa.Column("claimed_step", sa.Integer(), nullable=True),
        sa.Column("idle_attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("hangs", sa.Integer(), server_default="0", nullable=False),
        sa.Column("resume_note", sa.String(length=300), server_default="", nullable=False),
    ]


def upgrade() -> None:
    """Apply. Every new column has a default, so that a worker of version 0.1 can go on writing."""
    with op.batch_alter_table("runs") as runs:
        for column in _new_columns():
            runs.add_column(column)
        runs.drop_constraint(op.f("ck_runs_desired"), type_="check")
        runs.create_check_constraint(op.f("ck_runs_desired"), "desired IN ('run','pause','keep','cancel')")
    for table in ("points", "sample_answers"):
        op.add_column(table, sa.Column("superseded", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index("ix_points_run_id_seq", "points", ["run_id", "seq"])
    # Until now a restarted run was shown by its latest attempt alone.
    for table in ("points", "sample_answers"):
        op.execute(
            f"UPDATE {table} SET superseded = true WHERE epoch < "  # noqa: S608 - two fixed names
            f"(SELECT max(latest.epoch) FROM {table} AS latest WHERE latest.run_id = {table}.run_id)"
        )
    op.create_table(
        "checkpoints",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("manifest_sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("best_step", sa.Integer(), nullable=True),
        sa.Column("best_validation_loss", sa.Float(precision=53), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_checkpoints_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "epoch", "step", name="pk_checkpoints"),
    )
    op.create_table(
        "workers",
        sa.Column("owner", sa.String(length=120), nullable=False),
        sa.Column("host", sa.String(length=120), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("gpu", sa.String(length=40), nullable=True),
        sa.Column("device", sa.String(length=120), server_default="", nullable=False),
        sa.Column("run_id", sa.String(length=40), nullable=True),
        sa.Column("note", sa.String(length=300), server_default="", nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("owner", name="pk_workers"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_GUARD_SQLITE)
    else:
        op.execute(_GUARD_FUNCTION)
        op.execute(_GUARD_POSTGRESQL)


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TRIGGER runs_stay_over" + (" ON runs" if op.get_bind().dialect.name == "postgresql" else ""))
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION refuse_change_of_ended_run()")
    op.drop_table("workers")
    op.drop_table("checkpoints")
    op.drop_index("ix_points_run_id_seq", "points")
    for table in ("points", "sample_answers"):
        with op.batch_alter_table(table) as batch:
            batch.drop_column("superseded")
    op.execute("UPDATE runs SET desired = 'run' WHERE desired NOT IN ('run','cancel')")
    with op.batch_alter_table("runs") as runs:
        runs.drop_constraint(op.f("ck_runs_desired"), type_="check")
        runs.create_check_constraint(op.f("ck_runs_desired"), "desired IN ('run','cancel')")
        for column in _new_columns():
            runs.drop_column(column.name)
