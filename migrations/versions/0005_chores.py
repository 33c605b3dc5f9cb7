"""Work on the CPU, versions of datasets that come from others, and several datasets in one run."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ACTIVE = sa.text("status IN ('queued','running')")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "chores",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("owner_id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("version_id", sa.String(length=40), nullable=True),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String(length=120), nullable=True),
        sa.Column("lease_until", sa.Float(precision=53), nullable=False),
        sa.Column("dispatched_at", sa.Float(precision=53), nullable=True),
        sa.Column("phase", sa.String(length=40), nullable=False),
        sa.Column("done", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('queued','running','done','failed','cancelled')", name="status"),
        sa.ForeignKeyConstraint(
            ["version_id"], ["dataset_versions.id"], name="fk_chores_version_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_chores"),
    )
    op.create_index(
        "uq_chores_active",
        "chores",
        ["owner_id", "kind", "key"],
        unique=True,
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )
    op.create_index("ix_chores_status", "chores", ["status", "id"])
    op.create_index("ix_chores_key", "chores", ["key"])
    op.create_index("ix_chores_version_id", "chores", ["version_id"])
    op.create_table(
        "mixed_versions",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("version_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_mixed_versions_run_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["version_id"], ["dataset_versions.id"], name="fk_mixed_versions_version_id"),
        sa.PrimaryKeyConstraint("run_id", "version_id", name="pk_mixed_versions"),
    )
    op.create_index("ix_mixed_versions_version_id", "mixed_versions", ["version_id"])
    op.add_column("dataset_versions", sa.Column("parent_id", sa.String(length=40), nullable=True))
    op.add_column("dataset_versions", sa.Column("recipe", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("dataset_versions", sa.Column("origins_sha256", sa.String(length=64), nullable=True))
    op.add_column("dataset_versions", sa.Column("split_sha256", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Take back."""
    for name in ("split_sha256", "origins_sha256", "recipe", "parent_id"):
        op.drop_column("dataset_versions", name)
    op.drop_table("mixed_versions")
    op.drop_table("chores")
