"""Runs in each state that they can be in, brought there by the verbs that a worker and a person use."""

from collections.abc import Callable
from pathlib import Path

from studio import runs
from studio.actors import LOCAL_ACTOR
from studio.db import SessionFactory, transaction
from studio.queue import SilentQueue
from studio.runs import Lease, Run
from studio.runs.actions import stop_and_keep
from studio.runs.events import Answer, Answered, Checkpointed, Measured, PhaseBegan, Progressed

STEP = 4
QUEUE = SilentQueue()


def claimed(session_factory: SessionFactory, run: Run) -> Lease:
    """The run as a worker's."""
    with transaction(session_factory) as session:
        lease = runs.claim(session, run.id, "w1")
        assert lease is not None
        return lease


def trained(
    session_factory: SessionFactory, lease: Lease, runs_dir: Path | None = None, *, first: int = 1, last: int = STEP
) -> None:
    """Train from `first` to `last`; with a folder for runs, a checkpoint is written at each even step."""
    for step in range(first, last + 1):
        values = {"train/loss": 3.0 - step / 10, "eval/loss": 2.0 - step / 10}
        answer = Answer(position=0, row_number=3, prompt="Say 3", expected="It is 3", answer=f"It is {step}")
        events = [
            PhaseBegan(phase="training"),
            Progressed(step=step, total_steps=6),
            Measured(step=step, values=values),
            Answered(step=step, answers=[answer]),
        ]
        with transaction(session_factory) as session:
            runs.record(session, lease, events)
        if runs_dir is not None and step % 2 == 0:
            checkpointed(session_factory, lease, runs_dir, step)


def checkpointed(session_factory: SessionFactory, lease: Lease, runs_dir: Path, step: int) -> None:
    """Write a small checkpoint and commit it."""
    folder = runs.checkpoint_folder(runs_dir, lease.run_id, lease.epoch, step)
    temporary = folder.parent / "tmp-one"
    temporary.mkdir(parents=True)
    (temporary / "weights.safetensors").write_bytes(b"weights of step %d" % step)
    (temporary / "state.json").write_text(f'{{"step": {step}}}')
    sha256, size_bytes = runs.publish_folder(temporary, folder, {"step": step})
    event = Checkpointed(
        step=step, manifest_sha256=sha256, size_bytes=size_bytes, best_step=step, best_validation_loss=2.0 - step / 10
    )
    with transaction(session_factory) as session:
        runs.record(session, lease, [event])


def in_state(session_factory: SessionFactory, run: Run, state: str, runs_dir: Path | None = None) -> Lease | None:
    """Bring a queued run into `state`; with a folder for runs, by way of a checkpoint."""
    person: dict[str, Callable[..., object]] = {"pausing": runs.pause, "paused": runs.pause, "cancelling": runs.cancel}
    lease: Lease | None = None
    if runs_dir is not None or state not in {"queued", "paused"}:
        lease = claimed(session_factory, run)
        trained(session_factory, lease, runs_dir)
    with transaction(session_factory) as session:
        if state in person:
            person[state](session, LOCAL_ACTOR, run.id)
        if state == "keeping":
            stop_and_keep(session, LOCAL_ACTOR, run.id, queue=QUEUE)
        if lease and state in {"queued", "paused"}:
            runs.hand_back(session, lease, "The studio was stopped.")
        if lease and state in runs.TERMINAL:
            runs.end(session, lease, state, kind="internal" if state == "failed" else None)
    return lease
