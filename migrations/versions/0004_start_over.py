"""A worker of version 0.1 may claim a run that has a checkpoint: it starts over, and so does what is shown.

SQLite drops the triggers of `runs` with the table: a later migration that makes `runs` anew must make them anew too,
and one that makes `points` or `sample_answers` anew must drop this one meanwhile.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_FORGET = """
UPDATE points SET superseded = true WHERE run_id = NEW.id AND NOT superseded;
UPDATE sample_answers SET superseded = true WHERE run_id = NEW.id AND NOT superseded;
DELETE FROM point_blocks WHERE run_id = NEW.id;
UPDATE runs SET checkpoint_step = NULL, checkpoint_epoch = NULL, claimed_step = NULL WHERE id = NEW.id;
"""
_TRIGGER_SQLITE = f"""
CREATE TRIGGER runs_start_over AFTER UPDATE OF epoch ON runs
WHEN NEW.status = 'starting' AND NEW.epoch <> OLD.epoch AND NEW.step = 0
BEGIN {_FORGET} END
"""
_FUNCTION_POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION forget_what_came_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN {_FORGET} RETURN NULL; END $$
"""
_TRIGGER_POSTGRESQL = """
CREATE OR REPLACE TRIGGER runs_start_over AFTER UPDATE OF epoch ON runs FOR EACH ROW
WHEN (NEW.status = 'starting' AND NEW.epoch <> OLD.epoch AND NEW.step = 0)
EXECUTE FUNCTION forget_what_came_before()
"""


def upgrade() -> None:
    """Apply."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_TRIGGER_SQLITE)
    else:
        op.execute(_FUNCTION_POSTGRESQL)
        op.execute(_TRIGGER_POSTGRESQL)


def downgrade() -> None:
    """Take back."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER runs_start_over")
    else:
        op.execute("DROP TRIGGER runs_start_over ON runs")
        op.execute("DROP FUNCTION forget_what_came_before()")
