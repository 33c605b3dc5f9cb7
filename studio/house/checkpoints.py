"""Checkpoints that rows name and that are missing or damaged: the row goes, and the run goes on from the one before."""

from collections.abc import Iterator
from functools import partial

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from studio import runs
from studio.db import reading, transaction
from studio.house.findings import Finding, House
from studio.house.references import NamedCheckpoint, named_checkpoints
from studio.runs import TERMINAL, Checkpoint, Damaged, Run, RunEvent


def checkpoint_findings(house: House) -> Iterator[Finding]:
    """Verify every checkpoint that a row names, then every pointer of a run that is not over."""
    with reading(house.session_factory) as session:
        named = named_checkpoints(session)
    for checkpoint in named:
        try:
            runs.verify_folder(checkpoint.folder(house.settings.runs_dir), checkpoint.manifest_sha256)
        except (Damaged, OSError) as error:
            # Pruned meanwhile, row first and then folder: nothing is wrong.
            if _is_still_named(house, checkpoint):
                yield _broken(house, checkpoint, str(error))
    yield from _pointer_findings(house)


def _broken(house: House, checkpoint: NamedCheckpoint, why: str) -> Finding:
    where = house.shown(checkpoint.folder(house.settings.runs_dir))
    sentence = f"The checkpoint of step {checkpoint.step} of run {checkpoint.run_id} cannot be used. {why} ({where})"
    remedy = "Its row can be removed; a run that is not over then goes on from the checkpoint before it."
    return Finding(sentence, remedy, partial(_forget, house, checkpoint))


def _pointer_findings(house: House) -> Iterator[Finding]:
    places = select(Checkpoint.step).where(
        Checkpoint.run_id == Run.id,
        Checkpoint.epoch == Run.checkpoint_epoch,
        Checkpoint.step == Run.checkpoint_step,
    )
    lost = select(Run).where(Run.status.not_in(TERMINAL), Run.checkpoint_step.is_not(None), ~places.exists())
    with reading(house.session_factory) as session:
        found = list(session.scalars(lost))
    for run in found:
        epoch, step = run.checkpoint_epoch or 0, run.checkpoint_step or 0
        yield Finding(
            f"Run {run.id} points to a checkpoint of step {step} that has no row.",
            "It can be pointed to the checkpoint before it.",
            partial(_forget, house, NamedCheckpoint(run.id, epoch, step, "")),
        )


def _forget(house: House, checkpoint: NamedCheckpoint) -> bool:
    """Remove the row, and move the pointer in the same transaction if it is still this one's."""
    previous = _whole_before(house, checkpoint)
    with transaction(house.session_factory) as session:
        run = session.get(Run, checkpoint.run_id, with_for_update={"of": Run})
        row = session.get(Checkpoint, (checkpoint.run_id, checkpoint.epoch, checkpoint.step))
        if row is not None:
            session.delete(row)
        pointed = run is not None and (run.checkpoint_epoch, run.checkpoint_step) == (checkpoint.epoch, checkpoint.step)
        if run is not None and pointed and run.status not in TERMINAL:
            _point_to(session, run, checkpoint, previous)
    return True


def _whole_before(house: House, checkpoint: NamedCheckpoint) -> NamedCheckpoint | None:
    """The newest earlier checkpoint that verifies; gigabytes are hashed while no transaction is open."""
    with reading(house.session_factory) as session:
        named = named_checkpoints(session)
    for earlier in reversed(named):
        if earlier.run_id == checkpoint.run_id and earlier.step < checkpoint.step:
            try:
                runs.verify_folder(earlier.folder(house.settings.runs_dir), earlier.manifest_sha256)
            except (Damaged, OSError):
                continue
            return earlier
    return None


def _point_to(session: Session, run: Run, lost: NamedCheckpoint, previous: NamedCheckpoint | None) -> None:
    """What lies behind the new place is hidden by the next claim, as after any resume."""
    run.checkpoint_epoch = previous.epoch if previous else None
    run.checkpoint_step = previous.step if previous else None
    from_where = f"step {previous.step}" if previous else "the beginning"
    message = (
        f"The checkpoint of step {lost.step} was lost on disk; when the run resumes, it goes on from {from_where}."
    )
    session.flush()
    seq = session.scalar(update(Run).where(Run.id == run.id).values(next_seq=Run.next_seq + 1).returning(Run.next_seq))
    session.add(RunEvent(run_id=run.id, seq=(seq or 1) - 1, epoch=run.epoch, kind="warning", message=message))


def _is_still_named(house: House, checkpoint: NamedCheckpoint) -> bool:
    with reading(house.session_factory) as session:
        place = (checkpoint.run_id, checkpoint.epoch, checkpoint.step)
        return session.get(Checkpoint, place) is not None
