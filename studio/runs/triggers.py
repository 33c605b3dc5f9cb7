"""What the database itself sees to, whoever writes: ends that stay, and old workers that start a run over."""

from sqlalchemy import DDL, FromClause, event

# A run that is over stays as it ended, whatever a worker, a page or a hand-written statement tries.
_STAY_OVER_SQLITE = """
CREATE TRIGGER runs_stay_over BEFORE UPDATE OF status, epoch ON runs
WHEN OLD.status IN ('succeeded','failed','cancelled') AND (NEW.status <> OLD.status OR NEW.epoch <> OLD.epoch)
BEGIN SELECT RAISE(ABORT, 'a run that is over does not change'); END
"""
_STAY_OVER_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change_of_ended_run() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'a run that is over does not change' USING ERRCODE = 'check_violation'; END $$
"""
_STAY_OVER_POSTGRESQL = """
CREATE OR REPLACE TRIGGER runs_stay_over BEFORE UPDATE OF status, epoch ON runs FOR EACH ROW
WHEN (OLD.status IN ('succeeded','failed','cancelled') AND (NEW.status <> OLD.status OR NEW.epoch <> OLD.epoch))
EXECUTE FUNCTION refuse_change_of_ended_run()
"""

# A worker of version 0.1 knows no checkpoints: its claim puts the run back to step 0, so what was measured before is
# hidden with it, and the checkpoint is forgotten. A claim of this version stands at its checkpoint's step at once.
_FORGET = """
UPDATE points SET superseded = true WHERE run_id = NEW.id AND NOT superseded;
UPDATE sample_answers SET superseded = true WHERE run_id = NEW.id AND NOT superseded;
DELETE FROM point_blocks WHERE run_id = NEW.id;
UPDATE runs SET checkpoint_step = NULL, checkpoint_epoch = NULL, claimed_step = NULL WHERE id = NEW.id;
"""
_START_OVER_SQLITE = f"""
CREATE TRIGGER runs_start_over AFTER UPDATE OF epoch ON runs
WHEN NEW.status = 'starting' AND NEW.epoch <> OLD.epoch AND NEW.step = 0
BEGIN {_FORGET} END
"""
_START_OVER_FUNCTION = f"""
CREATE OR REPLACE FUNCTION forget_what_came_before() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN {_FORGET} RETURN NULL; END $$
"""
_START_OVER_POSTGRESQL = """
CREATE OR REPLACE TRIGGER runs_start_over AFTER UPDATE OF epoch ON runs FOR EACH ROW
WHEN (NEW.status = 'starting' AND NEW.epoch <> OLD.epoch AND NEW.step = 0)
EXECUTE FUNCTION forget_what_came_before()
"""

_STATEMENTS = {
    "sqlite": (_STAY_OVER_SQLITE, _START_OVER_SQLITE),
    "postgresql": (_STAY_OVER_FUNCTION, _STAY_OVER_POSTGRESQL, _START_OVER_FUNCTION, _START_OVER_POSTGRESQL),
}


def attach_triggers(runs: FromClause) -> None:
    """Make them whenever the table is made without migrations."""
    for dialect, statements in _STATEMENTS.items():
        for statement in statements:
            trigger = DDL(statement)  # type: ignore[no-untyped-call]
            event.listen(runs, "after_create", trigger.execute_if(dialect=dialect))
