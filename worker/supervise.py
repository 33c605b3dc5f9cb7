"""Supervises one claimed run: prepares and starts its trainer, and brings what becomes of it into the database."""

import contextlib
import logging
import time

from studio import runs
from studio.errors import StorageFull, StudioError
from studio.runs import Event
from studio.runs.events import Noted, PhaseBegan, Stopped
from studio.runs.folders import EVENTS_FILE
from studio.storage import disk_space_told
from worker.attempt import EventTail
from worker.bench import Bench
from worker.closing import close
from worker.follow import Attempt, Follower
from worker.keeper import Keeper
from worker.order import ENVIRONMENT, RESULT_FILE, Found, Order
from worker.outcome import (
    CAP_BEFORE_CHECKPOINT,
    AttemptOver,
    Cancel,
    Crash,
    Drop,
    Fail,
    HandBack,
    Outcome,
    after_child,
    after_interruption,
)
from worker.paying import KEPT_TOO_LONG, Paying, begin_paying, held_device
from worker.prepare import Start, find_checkpoint, prepare, read_start
from worker.start import Program
from worker.writer import Unwritten, Writer

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.05


def supervise(bench: Bench, lease: runs.Lease) -> None:
    """Bring a claimed run to its end, or hand it back; leaves no process behind."""
    log.info("%s: attempt %d begins", lease.run_id, lease.epoch)
    held_since = time.monotonic()
    with Keeper(bench.session_factory, lease, bench.stopping) as keeper:
        folder = runs.attempt_folder(bench.settings.runs_dir, lease.run_id, lease.epoch)
        attempt = Attempt(
            run_id=lease.run_id,
            folder=folder,
            keeper=keeper,
            writer=Writer(bench, lease, keeper),
            watchdog_seconds=bench.settings.watchdog_seconds,
            tail=EventTail(folder / EVENTS_FILE),
        )
        close(bench, lease, attempt.writer, _heed_cap(attempt, _run(bench, lease, attempt, held_since)))
    log.info("%s: attempt %d is over", lease.run_id, lease.epoch)


def _heed_cap(attempt: Attempt, outcome: Outcome) -> Outcome:
    """Keep with the run that its cap has ended an attempt; one that only had to close is not handed back again."""
    if attempt.cap is None or outcome not in (HandBack("cap"), Cancel(CAP_BEFORE_CHECKPOINT)):
        return outcome
    step = attempt.said.step
    # A lease that is lost is noticed when the attempt is closed.
    with contextlib.suppress(runs.LeaseLost):
        attempt.writer.offer([Stopped(by=attempt.cap.by, step=step, total_steps=attempt.total_steps)])
    return Cancel(KEPT_TOO_LONG) if outcome == HandBack("cap") and attempt.only_closes else outcome


def _run(bench: Bench, lease: runs.Lease, attempt: Attempt, held_since: float) -> Outcome:
    """What became of the attempt, whatever went wrong."""
    try:
        return _train(bench, lease, attempt, held_since)
    except AttemptOver as over:
        return over.outcome
    except runs.LeaseLost:
        return Drop()
    except Unwritten:
        return after_interruption("leave")
    except StorageFull as error:
        return Fail("disk_full", error.message)
    except StudioError as error:
        return Fail("internal", error.message)
    except Exception:
        # The task's edge: whatever failed here, the run must not stay active until its lease is over.
        log.exception("%s: the supervisor failed", lease.run_id)
        return Crash("Something failed beside the trainer; the worker's log says what.")


def _train(bench: Bench, lease: runs.Lease, attempt: Attempt, held_since: float) -> Outcome:
    with disk_space_told():
        attempt.folder.mkdir(parents=True, exist_ok=True)
    device = held_device(bench.settings)
    paying = attempt.writer.write(lambda session: begin_paying(session, lease, device))
    attempt.cap, attempt.ends_at = paying.cap, paying.ends_at(held_since)
    start = attempt.writer.write(lambda session: read_start(session, lease))
    attempt.can_keep, attempt.total_steps = start.checkpoint is not None, start.run.total_steps
    if start.run.desired == "keep" and start.checkpoint is None:
        return after_interruption("keep")
    checkpoint = find_checkpoint(bench, lease, start, writer=attempt.writer, check=attempt.check)
    attempt.can_keep = checkpoint is not None
    attempt.only_closes = paying.is_spent
    if paying.is_spent:
        _close_at_cap(attempt, start, paying)
    assignment = prepare(
        bench,
        lease,
        start,
        paying,
        held_since=held_since,
        checkpoint=checkpoint,
        check=attempt.check,
        fetch=lambda order: _download(bench, attempt, order),
    )
    with disk_space_told():
        assignment.write(attempt.folder)
    _await_forkserver(bench, attempt)
    trainer = bench.forkserver.start(bench.train, attempt.folder, gpu=assignment.gpu)
    left = Follower(attempt, trainer, "trainer", saves=True, finishes=not assignment.keep_only).follow()
    return after_child(attempt.said, left)


def _close_at_cap(attempt: Attempt, start: Start, paying: Paying) -> None:
    """The cap was spent before this attempt: say so, and go on only to keep what there is."""
    if not attempt.can_keep or paying.cap is None:
        raise AttemptOver(Cancel(CAP_BEFORE_CHECKPOINT))
    step = start.run.checkpoint_step or 0
    note = f"The cap of {paying.cap_words} is spent: the best weights up to step {step:,} are kept."
    told: list[Event] = [Noted(message=note)]
    if start.run.stopped_by is None:
        told.append(Stopped(by=paying.cap.by, step=step, total_steps=start.run.total_steps))
    attempt.writer.offer(told)


def _download(bench: Bench, attempt: Attempt, order: Order) -> Found:
    """Fetch the base model in a program of its own: only there is the token."""
    attempt.writer.offer([PhaseBegan(phase="downloading")])
    program = Program(
        "worker.download",
        attempt.folder,
        input_text=order.model_dump_json(),
        environ={**bench.download_environ, **ENVIRONMENT},
    )
    who = "download of the base model"
    left = Follower(attempt, program, who).follow()
    if left.exit_code != 0:
        raise AttemptOver(after_child(attempt.said, left, who))
    attempt.writer.offer([PhaseBegan(phase="starting")])
    return Found.model_validate_json((attempt.folder / RESULT_FILE).read_text(encoding="utf-8"))


def _await_forkserver(bench: Bench, attempt: Attempt) -> None:
    forkserver = bench.forkserver
    if not forkserver.warm.is_set():
        note = "Warming up: a worker's first run waits about 15 s."
        attempt.writer.offer([PhaseBegan(phase="starting", note=note)])
    while not forkserver.warm.is_set():
        if forkserver.failed.is_set():
            sentence = "The training stack cannot be imported; the worker's log says what to do."
            raise AttemptOver(Fail("internal", sentence))
        attempt.check()
        time.sleep(_POLL_SECONDS)
    attempt.check()
