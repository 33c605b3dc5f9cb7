"""A run that is over stays as it ended; what goes on from it is a new run, which begins at its checkpoint.

The new run's folder of attempt 0 holds hard links to the verified checkpoint, and its rows hold what was measured up
to that step. Files come before rows, and gigabytes are hashed while no transaction is open.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from studio.actors import Actor
from studio.db import SessionFactory, on_commit, reading, transaction
from studio.errors import Conflict, InvalidInput
from studio.ids import new_id
from studio.queue import Queue
from studio.runs.actions import stop_and_keep
from studio.runs.copying import BEGINNING, copy_measured, copy_of
from studio.runs.folders import checkpoint_folder
from studio.runs.lifecycle import find_by_key, get_run, launch, next_name, tell
from studio.runs.manifest import MANIFEST_FILE, Damaged, verify_folder
from studio.runs.models import Checkpoint, Run
from studio.runs.spec import RunSpec
from studio.runs.spec_limits import Budget
from studio.runs.status import Desired
from studio.runs.suggestions import find_suggestion
from studio.runs.terms import Terms
from studio.settings import Settings
from studio.storage import disk_space_told, fsync_above, fsync_dir

_PLACE = ("ladder_id", "rung")
_COPIED = (
    "owner_id",
    "method",
    "base_model",
    "dataset_version_id",
    "total_steps",
    "initial_validation_loss",
    "resolved",
    "resume_note",
    "kind",
    "quote",
    "license_statement",
    *_PLACE,
)


def retry(session_factory: SessionFactory, actor: Actor, run_id: str, *, queue: Queue, settings: Settings) -> Run:
    """Go on from the last checkpoint of a run that failed or was cancelled, as a new run; without one, from the start.

    Commits by itself. Asked twice, it gives the same new run. Raises Conflict when the run has not failed.
    """
    return _go_on(session_factory, actor, run_id, "run", queue=queue, settings=settings)


def keep(session_factory: SessionFactory, actor: Actor, run_id: str, *, queue: Queue, settings: Settings) -> Run:
    """Stop a run and make its best weights the adapter; of a run that failed or was cancelled, by a new run.

    Commits by itself; twice is no error. Raises Conflict when there is nothing to keep, or the run has finished.
    """
    with transaction(session_factory) as session:
        try:
            return stop_and_keep(session, actor, run_id, queue=queue)
        except Conflict:
            run = get_run(session, actor, run_id)
            if run.status not in {"failed", "cancelled"} or run.checkpoint_step is None:
                raise
    return _go_on(session_factory, actor, run_id, "keep", queue=queue, settings=settings)


def go_on_under(
    session_factory: SessionFactory, actor: Actor, run_id: str, budget: Budget, *, queue: Queue, settings: Settings
) -> Run:
    """Go on from where a run ended at its cap, as a new run under another one, which counts what both spend.

    Commits by itself. Asked twice, it gives the same new run. Raises Conflict when something else ended the run, or a
    new run already goes on from it under another cap.
    """
    with reading(session_factory) as session:
        if not get_run(session, actor, run_id).ended_at_cap:
            raise Conflict("It was not its own cap that ended the run. Run it again with changes.")
    made = _go_on(session_factory, actor, run_id, "run", queue=queue, settings=settings, budget=budget)
    if made.run_spec.budget != budget:
        raise Conflict(f"{made.name} already goes on from this run, under another cap: raise that one's.")
    return made


def gone_on(session: Session, run: Run) -> Run | None:
    """The run that goes on from where this one ended, if one was asked for."""
    if not run.is_over:
        return None
    return session.scalar(select(Run).where(Run.owner_id == run.owner_id, Run.idempotency_key == _key("run", run.id)))


def continued_ids(session: Session, run: Run) -> list[str]:
    """The run and those that it goes on from by `retry` or `keep`, newest first: together they keep one cap."""
    ids = [run.id]
    while (parent_id := run.parent_run_id) and run.idempotency_key in (_key("run", parent_id), _key("keep", parent_id)):
        run = session.get_one(Run, parent_id)
        ids.append(run.id)
    return ids


def run_again(
    session: Session,
    actor: Actor,
    run_id: str,
    *,
    queue: Queue,
    settings: Settings,
    suggestion: str | None = None,
    idempotency_key: str | None = None,
    launch_with: Callable[..., Run] = launch,
) -> Run:
    """Launch the same spec from the start, or what the suggestion of that key makes of it.

    `launch_with` takes what `launch` takes, and may say the price first.
    """
    run = get_run(session, actor, run_id)
    spec = run.run_spec
    if suggestion is not None:
        found = find_suggestion(spec, suggestion)
        if found is None:
            raise InvalidInput("There is no such suggestion for this run. Open its page again and pick one.")
        spec = found.spec
    return launch_with(
        session,
        actor,
        spec,
        queue=queue,
        settings=settings,
        name=next_name(run.name),
        parent_run_id=run.id,
        idempotency_key=idempotency_key,
        terms=Terms(kind=run.kind),  # type: ignore[arg-type]
    )


def _go_on(
    session_factory: SessionFactory,
    actor: Actor,
    run_id: str,
    desired: Desired,
    *,
    queue: Queue,
    settings: Settings,
    budget: Budget | None = None,
) -> Run:
    key = _key(desired, run_id)
    with reading(session_factory) as session:
        parent = get_run(session, actor, run_id)
        if known := find_by_key(session, actor, key):
            return known
        if budget is None:
            _refuse_unless_ended(parent)
        kept = list(session.scalars(_kept_checkpoints(parent)))
    child_id = new_id("run")
    checkpoint = _link_first_whole(settings.runs_dir, parent, kept, child_id)
    if checkpoint is None and (desired == "keep" or parent.status == "succeeded"):
        what = "keep" if desired == "keep" else "go on from"
        raise Conflict(f"No checkpoint of this run is whole on disk, so there is nothing to {what}; run it again.")
    spec = {**parent.spec, "budget": budget.model_dump(mode="json")} if budget else parent.spec
    try:
        with transaction(session_factory) as session:
            if checkpoint is None:
                return _from_the_start(session, actor, parent, spec, key, queue=queue, settings=settings)
            return _insert(session, parent, spec, checkpoint, child_id, desired, key, queue=queue)
    except IntegrityError:
        # Two clicks at once: the other one's run is there now. After any other error the rows may have been written,
        # so the folder stays; one without rows is found and removed by `tunewright fsck`.
        shutil.rmtree(settings.runs_dir / child_id, ignore_errors=True)
        with reading(session_factory) as session:
            if known := find_by_key(session, actor, key):
                return known
        raise


def _key(desired: Desired, run_id: str) -> str:
    # A space cannot stand in the key of a request, so the two never meet.
    return f"{desired} after {run_id}"


def _refuse_unless_ended(run: Run) -> None:
    if run.status == "succeeded":
        raise Conflict("The run had already finished; nothing was retried. Run it again to train it anew.")
    if not run.is_over:
        raise Conflict("The run is not over yet; nothing was retried.")


def _kept_checkpoints(run: Run) -> Select[Checkpoint]:
    """The committed checkpoint, then the older ones."""
    last = -1 if run.checkpoint_step is None else run.checkpoint_step
    mine = (Checkpoint.run_id == run.id, Checkpoint.step <= last)
    return select(Checkpoint).where(*mine).order_by(Checkpoint.step.desc(), Checkpoint.epoch.desc())


def _link_first_whole(runs_dir: Path, parent: Run, kept: list[Checkpoint], child_id: str) -> Checkpoint | None:
    """Link the newest checkpoint that verifies into the child's folder; None when there is none."""
    for checkpoint in kept:
        source = checkpoint_folder(runs_dir, parent.id, checkpoint.epoch, checkpoint.step)
        target = checkpoint_folder(runs_dir, child_id, BEGINNING, checkpoint.step)
        try:
            manifest = verify_folder(source, checkpoint.manifest_sha256)
            link_folder(source, target, [file.name for file in manifest.files] + [MANIFEST_FILE])
        except (Damaged, FileNotFoundError):
            # Damaged, or tidied away between the look at its row and now.
            continue
        return checkpoint
    return None


def link_folder(source: Path, target: Path, names: list[str]) -> None:
    """Let `target` hold the same files as `source`, whole or not at all; copies where links are not possible."""
    with disk_space_told():
        temporary = target.parent / f"tmp-{new_id('lnk')}"
        temporary.mkdir(parents=True)
        try:
            for name in names:
                _link(source / name, temporary / name)
            fsync_dir(temporary)
            temporary.rename(target)
            fsync_above(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def _link(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        # A file system without hard links, or with too many to this file.
        shutil.copyfile(source, target)
        with target.open("rb") as stream:
            os.fsync(stream.fileno())


def _from_the_start(
    session: Session, actor: Actor, parent: Run, spec: dict[str, Any], key: str, *, queue: Queue, settings: Settings
) -> Run:
    run = launch(
        session,
        actor,
        RunSpec.model_validate(spec),
        queue=queue,
        settings=settings,
        name=next_name(parent.name),
        parent_run_id=parent.id,
        idempotency_key=key,
        terms=Terms(**{name: getattr(parent, name) for name in ("kind", "quote", "license_statement", *_PLACE)}),
    )
    if parent.checkpoint_step is not None:
        gone = "No checkpoint of the run before it is whole on disk, so this one begins anew at step 0."
        tell(session, run, "warning", gone)
    return run


def _insert(
    session: Session,
    parent: Run,
    spec: dict[str, Any],
    checkpoint: Checkpoint,
    child_id: str,
    desired: Desired,
    key: str,
    *,
    queue: Queue,
) -> Run:
    run = Run(
        id=child_id,
        name=next_name(parent.name),
        spec=spec,
        parent_run_id=parent.id,
        idempotency_key=key,
        desired=desired,
        step=checkpoint.step,
        checkpoint_step=checkpoint.step,
        checkpoint_epoch=BEGINNING,
        best_step=checkpoint.best_step,
        best_validation_loss=checkpoint.best_validation_loss,
        **{name: getattr(parent, name) for name in _COPIED},
    )
    session.add(run)
    session.flush()
    session.add(copy_of(checkpoint, child_id))
    copy_measured(session, parent, run, checkpoint.step)
    will = "goes on" if desired == "run" else "keeps the best weights"
    tell(session, run, "queued", f"The run was queued; it {will} from step {checkpoint.step} of the run before it.")
    on_commit(session, lambda: queue.send(child_id))
    return run
