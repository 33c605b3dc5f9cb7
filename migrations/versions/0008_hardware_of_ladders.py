"""The hardware that a ladder's rungs are estimated for."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.add_column("ladders", sa.Column("hardware", sa.String(length=40), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("ladders", "hardware")
