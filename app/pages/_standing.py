"""How a run stands: what its page says at the top, and what can be done next."""

from typing import Any

from sqlalchemy.orm import Session

from app.alerts import alerts_of
from app.pages._money import money_of
from app.pages._trial import trial_view
from studio import adapters, ladders, runs
from studio.ids import new_id


def status_context(session: Session, run: runs.Run) -> dict[str, Any]:
    """What the status, the actions and the failure of a run are drawn from."""
    checkpoint, goes_on = runs.committed_checkpoint(session, run.id), runs.gone_on(session, run)
    return {
        "run": run,
        "adapter": adapters.adapter_of_run(session, run) if run.status == "succeeded" else None,
        "place": runs.queue_position(session, run) if run.status == "queued" else 0,
        "has_worker": not _waits(run) or runs.living_workers(session) > 0,
        "checkpoint": checkpoint,
        "actions": runs.allowed_actions(run, has_checkpoint=checkpoint is not None, has_gone_on=goes_on is not None),
        "goes_on": goes_on,
        "suggestions": runs.suggestions_for(run.run_spec, run.failure_kind),
        "alerts": alerts_of(session, run),
        "trial": trial_view(run),
        "money": money_of(session, run),
        "ladder": ladders.ladder_of(session, run),
        "attempts": runs.count_attempts(session, run) if run.epoch > 1 else run.epoch,
        "came_back": runs.last_return(session, run) if run.epoch > 1 else "",
        "has_resumed": runs.has_resumed(session, run),
        "key": new_id("key"),
        "notice": "",
        "is_fragment": False,
    }


def _waits(run: runs.Run) -> bool:
    return run.status == "queued" and not run.is_paused
