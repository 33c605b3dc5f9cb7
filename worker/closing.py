"""Brings the outcome of an attempt into the database: the last write of its lease."""

import logging
import shutil

from sqlalchemy.orm import Session

from studio import adapters, runs, spending
from studio.errors import StorageFull
from studio.runs import Run
from studio.runs.events import Exported
from studio.runs.protocol import has_progressed
from studio.storage import StoredFile
from worker.bench import Bench
from worker.keeper import Ending
from worker.outcome import CAP_BEFORE_CHECKPOINT, Cancel, Crash, Drop, Fail, Finish, HandBack, Outcome, Tried, Wait
from worker.writer import Unwritten, Writer, prune

log = logging.getLogger(__name__)


def close(bench: Bench, lease: runs.Lease, writer: Writer, outcome: Outcome) -> None:
    """Write the outcome, tell the viewers, and clear away what only this attempt needed."""
    try:
        if isinstance(outcome, Finish):
            outcome = _register(bench, lease, writer, outcome.exported)
        ended = _write(bench, lease, writer, outcome)
    except runs.LeaseLost:
        ended = "lost: another worker holds the run, or it is over"
    except Unwritten:
        ended = "not written, for the database is away: the lease runs out and the run goes on from its checkpoint"
    log.info("%s: attempt %d ended: %s", lease.run_id, lease.epoch, ended)
    writer.poke()
    shutil.rmtree(runs.attempt_folder(bench.settings.runs_dir, lease.run_id, lease.epoch) / "export", True)
    prune(bench, lease.run_id)


def _write(bench: Bench, lease: runs.Lease, writer: Writer, outcome: Outcome) -> str:
    """One transaction; returns in words what it was."""
    match outcome:
        case Fail(kind, reason):
            writer.write(lambda session: runs.end(session, lease, "failed", kind=kind, reason=reason))
            return f"failed ({kind}): {reason}"
        case Cancel(reason):
            writer.write(lambda session: runs.end(session, lease, "cancelled", reason=reason))
            return f"cancelled {reason}".rstrip()
        case Crash(sentence, is_hang):
            decision = writer.write(lambda s: runs.retry_or_give_up(s, lease, sentence, is_hang=is_hang))
            return f"{decision.status} ({sentence})" if isinstance(decision, runs.GiveUp) else f"{decision}: {sentence}"
        case Wait(reason, delay_seconds):
            writer.write(lambda session: _wait(session, lease, reason, delay_seconds))
            return f"handed back for {delay_seconds:.0f} s: {reason}"
        case HandBack(why):
            return "handed back: " + writer.write(lambda session: _hand_back(session, lease, why))
        case Drop():
            raise runs.LeaseLost("This attempt was told to drop the run.")
        case Finish():
            return "succeeded"
        case Tried():
            writer.write(lambda session: _end_trial(session, bench, lease))
            return "tried"


def _wait(session: Session, lease: runs.Lease, reason: str, delay_seconds: float) -> None:
    """It had no hardware, so nothing is paid for."""
    runs.hand_back(session, lease, reason, delay_seconds=delay_seconds)
    runs.forget_stint(session, lease)


def _end_trial(session: Session, bench: Bench, lease: runs.Lease) -> None:
    """End it; what it took corrects the next estimate."""
    runs.end(session, lease, "succeeded", reason="The trial run is through.")
    spending.remember(session, lease.run_id, bench.settings)


def _hand_back(session: Session, lease: runs.Lease, why: Ending) -> str:
    """Without blame, in the words that fit what the person wants by now."""
    desired = runs.renew(session, lease)
    run = session.get_one(Run, lease.run_id, populate_existing=True)
    if why == "cap" and run.checkpoint_step is None:
        runs.end(session, lease, "cancelled", reason=CAP_BEFORE_CHECKPOINT)
        return CAP_BEFORE_CHECKPOINT
    where = f"step {run.checkpoint_step}" if run.checkpoint_step else "the beginning"
    words = f"The run goes on from {where}."
    if why == "stopped":
        words = f"The studio was stopped; the run goes on from {where} when it is back."
    elif why == "leave":
        words = f"The database was away for too long; the run goes on from {where}."
    elif why == "cap":
        words = f"The cap was reached and the trainer had not stopped; the best weights up to {where} are kept."
    elif desired == "pause":
        words = f"Paused at {where}." if run.checkpoint_step else "Paused before the first checkpoint."
    idle_attempts = 0 if has_progressed(run.checkpoint_step, run.claimed_step) else run.idle_attempts
    runs.hand_back(session, lease, words, idle_attempts=idle_attempts)
    return words


def _register(bench: Bench, lease: runs.Lease, writer: Writer, exported: Exported) -> Outcome:
    """Files before rows: store the archive, then its row and the run's end in one transaction."""
    folder = runs.attempt_folder(bench.settings.runs_dir, lease.run_id, lease.epoch)
    archive = (folder / exported.archive).resolve()
    if not archive.is_relative_to(folder.resolve()) or not archive.is_file():
        return Fail("internal", "The trainer named an archive that is not in its folder; read the log.")
    try:
        stored = adapters.store_archive(bench.storage, lease, archive)
    except StorageFull as error:
        return Fail("disk_full", error.message)
    if stored.sha256 != exported.sha256:
        bench.storage.delete(stored.key)
        return Fail("internal", "The archive was changed or damaged after its export; run again.")
    try:
        writer.write(lambda session: _finish(session, bench, lease, exported, stored))
    except runs.LeaseLost:
        # Either a person cancelled at the last moment, or the run is another's; then this raises again.
        bench.storage.delete(stored.key)
        return Cancel() if writer.write(lambda session: runs.renew(session, lease)) == "cancel" else Drop()
    return Finish(exported)


def _finish(session: Session, bench: Bench, lease: runs.Lease, exported: Exported, stored: StoredFile) -> None:
    """Register the result and end the run; what it took corrects the estimates of later ones."""
    adapters.register(session, lease, exported, stored)
    spending.remember(session, lease.run_id, bench.settings)
