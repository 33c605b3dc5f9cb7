"""Files on their way to be datasets."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "arrivals",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("owner_id", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("source", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("kept_sha256", sa.String(length=64), nullable=True),
        sa.Column("dataset_id", sa.String(length=40), nullable=True),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_arrivals_dataset_id", ondelete="SET NULL"),
        sa.PrimaryKeyConstraint("id", name="pk_arrivals"),
    )
    for name in ("owner_id", "kept_sha256", "dataset_id"):
        op.create_index(f"ix_arrivals_{name}", "arrivals", [name])


def downgrade() -> None:
    """Take back."""
    op.drop_table("arrivals")
