"""What a person wishes while a run goes on, and what ends work on it from elsewhere; wishes may change at any time."""

import functools
import threading
import time

import pytest

from studio import adapters, runs
from studio.actors import LOCAL_ACTOR
from studio.db import reading, transaction
from studio.runs import Run
from tests.worker import standin
from tests.worker.benches import (
    MakeRun,
    ask,
    await_,
    await_helper,
    await_step,
    cancel_and_join,
    claim,
    is_running,
    messages,
    on_sqlite,
    read,
    supervise_in_background,
    supervise_next,
    train_losses,
    with_,
)
from worker.bench import Bench
from worker.outcome import NOTHING_TO_KEEP
from worker.start import Forkserver, Target
from worker.supervise import supervise


@on_sqlite
@pytest.mark.parametrize("target", [standin.wait_for_ever, standin.ignore_sigterm])
def test_cancelling_ends_the_trainer_and_what_it_started(bench: Bench, make_run: MakeRun, target: Target) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    supervising = supervise_in_background(with_(bench, train=target))
    helper = await_helper(bench, run.id)

    assert cancel_and_join(bench, run, supervising) < 5
    assert read(bench, run.id).status == "cancelled"
    await_(lambda: not is_running(helper))


def test_stopping_the_worker_saves_and_hands_the_run_back(bench: Bench, tiny_run: Run) -> None:
    stopping = threading.Event()
    supervising = supervise_in_background(with_(bench, train=standin.steady, stopping=stopping))
    await_step(bench, tiny_run, 7)

    stopping.set()
    supervising.join(10)

    left = read(bench, tiny_run.id)
    assert (left.status, left.desired) == ("queued", "run")
    assert left.phase_note == f"The studio was stopped; the run goes on from step {left.step} when it is back."
    assert left.checkpoint_step == left.step == len(train_losses(bench, left))


@on_sqlite
@pytest.mark.parametrize("target", [standin.wait_for_ever, standin.ignore_sigterm, standin.slow_to_save])
def test_a_trainer_that_does_not_save_in_time_is_ended(
    bench: Bench, tiny_run: Run, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.follow.SAVE_SECONDS", 0.5)
    stopping = threading.Event()
    supervising = supervise_in_background(with_(bench, train=target, stopping=stopping))
    await_step(bench, tiny_run, 2)

    stopping.set()
    supervising.join(10)

    assert read(bench, tiny_run.id).status == "queued"
    assert not supervising.is_alive()


def test_pausing_saves_and_resuming_goes_on_behind_it(bench: Bench, tiny_run: Run) -> None:
    supervising = supervise_in_background(with_(bench, train=standin.steady))
    await_step(bench, tiny_run, 7)

    ask(bench, tiny_run, "pause")
    supervising.join(10)

    paused = read(bench, tiny_run.id)
    assert (paused.is_paused, paused.phase_note) == (True, f"Paused at step {paused.step}.")
    with transaction(bench.session_factory) as session:
        assert runs.claim_next(session, "w2") is None
    ask(bench, tiny_run, "run")
    supervise_next(with_(bench, train=functools.partial(standin.train, steps=paused.step + 10)))

    ended = read(bench, tiny_run.id)
    assert ended.status == "succeeded"
    assert train_losses(bench, ended) == [(step, standin.loss_at(step)) for step in range(1, paused.step + 11)]


@on_sqlite
def test_a_pause_that_is_taken_back_while_the_run_is_saved_goes_on_at_once(bench: Bench, tiny_run: Run) -> None:
    saves_slowly = functools.partial(standin.train, steps=1_000_000, save_seconds=3)
    supervising = supervise_in_background(with_(bench, train=saves_slowly))
    await_step(bench, tiny_run, 2)
    ask(bench, tiny_run, "pause")
    await_told(bench, tiny_run)

    ask(bench, tiny_run, "run")
    supervising.join(20)

    ready = read(bench, tiny_run.id)
    assert (ready.status, ready.desired) == ("queued", "run")
    assert ready.phase_note == f"The run goes on from step {ready.checkpoint_step}."
    assert claim(bench).run_id == tiny_run.id


@on_sqlite
def test_cancelling_while_the_run_is_saved_ends_it_at_once(bench: Bench, tiny_run: Run) -> None:
    supervising = supervise_in_background(with_(bench, train=standin.slow_to_save))
    await_step(bench, tiny_run, 2)
    ask(bench, tiny_run, "pause")
    await_told(bench, tiny_run)

    assert cancel_and_join(bench, tiny_run, supervising) < 5
    assert read(bench, tiny_run.id).status == "cancelled"


def test_stopping_and_keeping_makes_an_adapter_of_what_is_there(bench: Bench, tiny_run: Run) -> None:
    supervising = supervise_in_background(with_(bench, train=standin.steady))
    await_step(bench, tiny_run, 7)

    ask(bench, tiny_run, "keep")
    supervising.join(10)

    ended = read(bench, tiny_run.id)
    with reading(bench.session_factory) as session:
        adapter = adapters.adapter_of_run(session, ended)
    assert (ended.status, adapter is not None) == ("succeeded", True)
    assert adapter is not None and adapter.step == ended.step


@on_sqlite
def test_keeping_a_run_that_waits_makes_an_adapter_of_its_checkpoint(bench: Bench, tiny_run: Run) -> None:
    stopping = threading.Event()
    supervising = supervise_in_background(with_(bench, train=standin.steady, stopping=stopping))
    await_step(bench, tiny_run, 7)
    stopping.set()
    supervising.join(10)
    saved = read(bench, tiny_run.id).checkpoint_step

    ask(bench, tiny_run, "keep")
    supervise_next(with_(bench, train=standin.steady))

    ended = read(bench, tiny_run.id)
    with reading(bench.session_factory) as session:
        adapter = adapters.adapter_of_run(session, ended)
    assert adapter is not None
    assert (ended.status, adapter.step) == ("succeeded", saved)


@on_sqlite
def test_keeping_what_has_no_checkpoint_ends_as_cancelled_with_the_reason(bench: Bench, tiny_run: Run) -> None:
    lease = claim(bench)
    ask(bench, tiny_run, "keep")

    supervise(bench, lease)

    assert read(bench, tiny_run.id).status == "cancelled"
    assert messages(bench, tiny_run)[-1] == NOTHING_TO_KEEP


@on_sqlite
def test_keeping_before_the_trainer_listens_is_not_lost(bench: Bench, tiny_run: Run) -> None:
    supervising = supervise_in_background(with_(bench, train=standin.wait_for_ever))
    await_helper(bench, tiny_run.id)

    ask(bench, tiny_run, "keep")
    supervising.join(10)

    assert (read(bench, tiny_run.id).status, read(bench, tiny_run.id).idle_attempts) == ("queued", 0)


@on_sqlite
def test_a_stopping_worker_still_hears_a_cancellation(bench: Bench, tiny_run: Run) -> None:
    stopping = threading.Event()
    supervising = supervise_in_background(with_(bench, train=standin.slow_to_save, stopping=stopping))
    await_step(bench, tiny_run, 2)
    stopping.set()

    assert cancel_and_join(bench, tiny_run, supervising) < 5
    assert read(bench, tiny_run.id).status == "cancelled"


def test_losing_the_lease_ends_the_trainer_and_writes_nothing(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    supervising = supervise_in_background(with_(bench, train=standin.wait_for_ever))
    helper = await_helper(bench, run.id)

    with transaction(bench.session_factory) as session:
        session.get_one(Run, run.id).lease_until = 0.0
        session.flush()
        assert runs.reap(session) == [run.id]
        second = runs.claim_next(session, "w2")
    supervising.join(10)

    await_(lambda: not is_running(helper))
    held = read(bench, run.id)
    assert second is not None
    assert (held.status, held.owner, held.epoch) == ("starting", "w2", second.epoch)


def test_a_run_that_was_cancelled_during_its_last_step_leaves_no_adapter(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    lease = claim(bench)
    with transaction(bench.session_factory) as session:
        runs.cancel(session, LOCAL_ACTOR, run.id)

    supervise(bench, lease)

    cancelled = read(bench, run.id)
    with reading(bench.session_factory) as session:
        assert adapters.adapter_of_run(session, cancelled) is None
    assert cancelled.status == "cancelled"
    assert not list(bench.settings.storage_dir.glob("adapters/*/*"))


@on_sqlite
def test_cancelling_while_the_worker_warms_up_needs_no_trainer(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    cold = Forkserver(preload=["worker.start"])
    supervising = supervise_in_background(with_(bench, forkserver=cold))
    await_(lambda: read(bench, run.id).phase_note.startswith("Warming up"))

    assert cancel_and_join(bench, run, supervising) < 5

    assert read(bench, run.id).status == "cancelled"


def await_told(bench: Bench, run: Run) -> None:
    """Until the trainer has heard of the wish: the keeper looks every second."""
    seen = read(bench, run.id).step
    await_(lambda: read(bench, run.id).step >= seen)
    steps = []
    while len(steps) < 3 or steps[-1] != steps[-3]:
        steps.append(read(bench, run.id).step)
        time.sleep(0.3)
