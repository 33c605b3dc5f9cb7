"""From a trial run to the full one: the same settings, launched anew."""

from sqlalchemy.orm import Session

from studio import runs
from studio.actors import Actor
from studio.errors import Conflict
from studio.queue import Queue
from studio.runs import Run
from studio.settings import Settings
from studio.spending.launching import launch


def launch_full(session: Session, actor: Actor, run_id: str, *, queue: Queue, settings: Settings) -> Run:
    """Launch what a trial has tried; a second time gives the same run.

    Raises NotFound, Conflict for a run that is no trial, and InvalidInput as `launch` does.
    """
    trial = runs.get_run(session, actor, run_id)
    if trial.kind != "trial":
        raise Conflict("This is no trial run. Run it again, or launch another from its settings.")
    return launch(
        session,
        actor,
        trial.run_spec,
        queue=queue,
        settings=settings,
        name=trial.name,
        parent_run_id=trial.id,
        # A space cannot stand in the key of a request, so no other launch has it.
        idempotency_key=f"full after {trial.id}",
    )
