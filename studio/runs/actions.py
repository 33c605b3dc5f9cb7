"""What people ask of a run that is not over: cancel, pause, resume, stop and keep.

Each is one compare-and-set on the row, so that a click and the end of the run at the same instant have one winner,
and the loser is told in a sentence. A second click changes nothing and is no error.
"""

from typing import Literal

from sqlalchemy import ColumnElement, update
from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.db import on_commit, utc_now
from studio.errors import Conflict
from studio.queue import Queue
from studio.runs.alerts import forget_alert
from studio.runs.lifecycle import get_run, tell
from studio.runs.models import Run
from studio.runs.spec_limits import Budget
from studio.runs.status import ACTIVE, Desired

Action = Literal["pause", "resume", "keep", "cancel", "retry", "again", "cap"]
_OPEN = (*sorted(ACTIVE), "queued")


def allowed_actions(run: Run, *, has_checkpoint: bool, has_gone_on: bool = False) -> tuple[Action, ...]:
    """What can be done to a run as it stands.

    `has_checkpoint`: the committed one is still kept; `has_gone_on`: a new run already goes on from it.
    """
    if run.is_over:
        can_go_on = run.status != "succeeded" and has_checkpoint
        ended: tuple[Action, ...] = ("retry", "keep", "again") if can_go_on else ("again",)
        has_something = has_checkpoint or run.status == "cancelled"
        return (*ended, "cap") if run.ended_at_cap and has_something and not has_gone_on else ended
    if run.desired == "cancel":
        return ()
    if run.kind == "trial":
        # It takes minutes and keeps nothing that could be gone on with.
        return ("cancel",)
    if run.desired == "keep":
        return ("cancel",)
    first: Action = "resume" if run.desired == "pause" else "pause"
    has_something = run.is_active or has_checkpoint
    allowed: tuple[Action, ...] = (first, "keep", "cancel") if has_something else (first, "cancel")
    has_cap = not run.is_active and run.ladder_id is None and run.run_spec.budget.is_set
    return (*allowed, "cap") if has_cap else allowed


def cancel(session: Session, actor: Actor, run_id: str) -> Run:
    """Cancel: at once while it waits or is paused, else the worker ends the trainer within seconds.

    Raises Conflict when the run had already ended by itself.
    """
    run = get_run(session, actor, run_id)
    is_new = _wish(session, run, "cancel", Run.desired != "cancel")
    at_once = session.execute(
        update(Run)
        .where(Run.id == run.id, Run.status == "queued")
        .values(status="cancelled", phase="done", phase_note="", finished_at=utc_now())
        .returning(Run.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    session.refresh(run)
    if at_once:
        when = "before it started" if run.epoch == 0 else "while it waited"
        tell(session, run, "cancelled", f"The run was cancelled {when}.")
    elif is_new:
        tell(session, run, "cancelling", "The run is being cancelled: its trainer is ended.")
    if run.status in {"succeeded", "failed"}:
        raise Conflict(_refusal(run, "cancelled"))
    return run


def pause(session: Session, actor: Actor, run_id: str) -> Run:
    """Save a checkpoint, free the GPU and wait to be resumed; a run that waits is paused at once."""
    run = get_run(session, actor, run_id)
    if _wish(session, run, "pause", Run.desired == "run"):
        later = "it saves a checkpoint, then its GPU is free" if run.is_active else "nothing is spent while it waits"
        tell(session, run, "paused", f"The run was paused: {later}.")
    elif run.is_over or run.desired != "pause":
        raise Conflict(_refusal(run, "paused"))
    return run


def resume(session: Session, actor: Actor, run_id: str, *, queue: Queue) -> Run:
    """Let a paused run go on at its old place in the queue; what was about to pause goes on training."""
    run = get_run(session, actor, run_id)
    if _wish(session, run, "run", Run.desired == "pause"):
        tell(session, run, "resumed", "The run was resumed; it kept its place in the queue.")
        _hint(session, run, queue)
    elif run.is_over or run.desired != "run":
        raise Conflict(_refusal(run, "resumed"))
    return run


def stop_and_keep(session: Session, actor: Actor, run_id: str, *, queue: Queue) -> Run:
    """Stop at the next step and make the best weights so far the adapter; raises Conflict once the run is over.

    A run that waits can be kept when it has a checkpoint: a worker claims it, exports and is done.
    """
    run = get_run(session, actor, run_id)
    has_something = Run.status.in_(ACTIVE) | Run.checkpoint_step.is_not(None)
    if _wish(session, run, "keep", Run.desired.in_(("run", "pause")), has_something):
        tell(session, run, "kept", "The run was stopped; its best weights become the adapter.")
        _hint(session, run, queue)
    elif run.is_over or run.desired != "keep":
        raise Conflict(_refusal(run, "kept"))
    return run


def change_budget(session: Session, run: Run, budget: Budget, told: str) -> Run:
    """Give a run that waits or is paused another cap; its next attempt counts with it.

    What was foretold under the old one is taken back. Raises Conflict while a worker holds the run, or once it is over.
    """
    if run.ladder_id is not None:
        raise Conflict("This run is a rung: the cap of its ladder holds for all rungs. Nothing was changed.")
    if run.kind == "trial":
        raise Conflict("A trial keeps the cap that it was launched with. Nothing was changed.")
    changed = session.execute(
        update(Run)
        .where(Run.id == run.id, Run.status == "queued", Run.desired.in_(("run", "pause")))
        .values(spec={**run.spec, "budget": budget.model_dump(mode="json")}, stopped_by=None, seconds_saved=None)
        .returning(Run.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    session.refresh(run)
    if changed is None:
        if run.is_active and run.desired in ("run", "pause"):
            raise Conflict("A worker has the run: pause it, raise the cap, then resume it. Nothing was changed.")
        raise Conflict(_refusal(run, "changed"))
    forget_alert(session, run.id, "over_budget")
    tell(session, run, "cap_raised", told)
    return run


def _wish(session: Session, run: Run, desired: Desired, *conditions: ColumnElement[bool]) -> bool:
    """Write what is desired while the run is not over; whether that was a change. `run` is fresh afterwards."""
    found = session.execute(
        update(Run)
        .where(Run.id == run.id, Run.status.in_(_OPEN), *conditions)
        .values(desired=desired)
        .returning(Run.id)
        .execution_options(synchronize_session=False)
    ).scalar_one_or_none()
    session.refresh(run)
    return found is not None


def _hint(session: Session, run: Run, queue: Queue) -> None:
    if run.status == "queued":
        run_id = run.id
        on_commit(session, lambda: queue.send(run_id))


def _refusal(run: Run, what: str) -> str:
    """Which won, in one sentence."""
    stands = {
        "succeeded": "The run had already finished",
        "failed": "The run had already failed",
        "cancelled": "The run was already cancelled",
    }.get(run.status)
    if stands is None and run.desired == "cancel":
        stands = "The run is already being cancelled"
    if stands is None and run.desired == "keep":
        stands = "The run is already stopping to keep its best weights"
    if stands is None:
        return f"This run has no checkpoint yet, so there is nothing to keep; nothing was {what}."
    return f"{stands}; nothing was {what}."
