"""Prices, what runs held and cost, alerts, licences and ladders."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Workers of an earlier version write rows without these, so each has a default or may be empty.
_RUN_COLUMNS = (
    ("kind", sa.String(length=20), "training"),
    ("quote", sa.JSON(), "{}"),
    ("trial", sa.JSON(), "{}"),
    ("license_statement", sa.Text(), ""),
    ("stopped_by", sa.String(length=20), None),
    ("seconds_saved", sa.Float(precision=53), None),
    ("ladder_id", sa.String(length=40), None),
    ("rung", sa.Integer(), None),
)


def upgrade() -> None:
    """Apply."""
    for name, kind, default in _RUN_COLUMNS:
        op.add_column("runs", sa.Column(name, kind, nullable=default is None, server_default=default))
    op.create_index("ix_runs_ladder_id", "runs", ["ladder_id"])
    op.add_column("workers", sa.Column("memory_bytes", sa.BigInteger(), nullable=True))
    op.add_column("workers", sa.Column("cores", sa.Integer(), nullable=True))
    op.add_column("datasets", sa.Column("license", sa.String(length=80), nullable=False, server_default=""))
    op.create_table(
        "stints",
        _of_run("stints"),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("began", sa.Float(precision=53), nullable=False),
        sa.Column("until", sa.Float(precision=53), nullable=False),
        sa.Column("device", sa.String(length=120), server_default="", nullable=False),
        sa.Column("hardware", sa.String(length=40), server_default="", nullable=False),
        sa.Column("dollars_per_hour", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("run_id", "epoch", name="pk_stints"),
    )
    op.create_index("ix_stints_until", "stints", ["until"])
    op.create_table(
        "alerts",
        _of_run("alerts"),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "kind", name="pk_alerts"),
    )
    op.create_table(
        "measurements",
        _of_run("measurements"),
        sa.Column("owner_id", sa.String(length=40), nullable=False),
        sa.Column("hardware", sa.String(length=40), nullable=False),
        sa.Column("device", sa.String(length=120), nullable=False),
        sa.Column("model_type", sa.String(length=40), nullable=False),
        sa.Column("base_model", sa.String(length=200), nullable=False),
        sa.Column("method", sa.String(length=40), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_measurements"),
    )
    op.create_index("ix_measurements_owner_id", "measurements", ["owner_id"])
    op.create_table(
        "prices",
        sa.Column("owner_id", sa.String(length=40), nullable=False),
        sa.Column("hardware", sa.String(length=40), nullable=False),
        sa.Column("dollars_per_hour", sa.Float(precision=53), nullable=True),
        sa.Column("watts", sa.Float(precision=53), nullable=True),
        sa.Column("dollars_per_kwh", sa.Float(precision=53), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("dollars_per_hour IS NULL OR dollars_per_hour > 0", name="dollars_per_hour"),
        sa.CheckConstraint("(watts IS NULL) = (dollars_per_kwh IS NULL)", name="power"),
        sa.PrimaryKeyConstraint("owner_id", "hardware", name="pk_prices"),
    )
    op.create_table(
        "ladders",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("owner_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("specs", sa.JSON(), nullable=False),
        sa.Column("min_gain", sa.Float(precision=53), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('climbing','done','stopped')", name="status"),
        sa.PrimaryKeyConstraint("id", name="pk_ladders"),
    )
    for name in ("owner_id", "status"):
        op.create_index(f"ix_ladders_{name}", "ladders", [name])


def downgrade() -> None:
    """Take back."""
    for table in ("ladders", "prices", "measurements", "alerts", "stints"):
        op.drop_table(table)
    op.drop_column("datasets", "license")
    for name in ("cores", "memory_bytes"):
        op.drop_column("workers", name)
    op.drop_index("ix_runs_ladder_id", "runs")
    for name, _, _ in reversed(_RUN_COLUMNS):
        op.drop_column("runs", name)


def _of_run(table: str) -> sa.Column[str]:
    key = sa.ForeignKey("runs.id", name=f"fk_{table}_run_id", ondelete="CASCADE")
    return sa.Column("run_id", sa.String(length=40), key, nullable=False)
