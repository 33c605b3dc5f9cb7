"""Going on from checkpoints: after accidents, after damage on the disk, and which of them are kept."""

import functools
import time

import pytest
from sqlalchemy import select

from studio import runs
from studio.db import transaction
from studio.runs import Run
from tests.worker import standin
from tests.worker.benches import (
    ask,
    await_step,
    checkpoints,
    claim,
    messages,
    on_sqlite,
    read,
    set_,
    supervise_in_background,
    supervise_next,
    train_losses,
    with_,
)
from worker.bench import Bench
from worker.supervise import supervise
from worker.tasks import Slot


def test_accidents_with_progress_are_without_number_and_lose_nothing(bench: Bench, tiny_run: Run) -> None:
    unlucky = with_(bench, train=standin.die_after_each_checkpoint)

    for _ in range(5):
        supervise_next(unlucky)

    ended = read(bench, tiny_run.id)
    assert (ended.status, ended.epoch, ended.failure_reason) == ("succeeded", 5, "")
    assert train_losses(bench, ended) == [(step, standin.loss_at(step)) for step in range(1, 51)]


def test_a_killed_trainer_goes_on_within_a_second_at_the_same_worker(bench: Bench, tiny_run: Run) -> None:
    slot = Slot(with_(set_(bench, checkpoint_steps=10), train=standin.die_after_each_checkpoint))

    began = time.monotonic()
    assert slot.drain() == 5

    assert read(bench, tiny_run.id).status == "succeeded"
    assert time.monotonic() - began < 5 * 2


def test_only_the_newest_checkpoints_of_a_run_that_goes_on_are_kept(bench: Bench, tiny_run: Run) -> None:
    supervising = supervise_in_background(with_(bench, train=standin.steady))
    await_step(bench, tiny_run, 27)

    ask(bench, tiny_run, "pause")
    supervising.join(10)

    paused = read(bench, tiny_run.id)
    rows = checkpoints(bench, paused)
    folder = runs.attempt_folder(bench.settings.runs_dir, paused.id, 1) / "checkpoints"
    assert len(rows) == bench.settings.keep_checkpoints == 2
    assert rows[-1] == (1, paused.checkpoint_step)
    assert sorted(path.name for path in folder.iterdir()) == [f"step-{step:08d}" for _, step in rows]


def test_a_finished_run_keeps_no_checkpoint(bench: Bench, tiny_run: Run) -> None:
    supervise_next(with_(bench, train=standin.thirty_steps))

    assert read(bench, tiny_run.id).status == "succeeded"
    assert checkpoints(bench, tiny_run) == []
    assert not list(bench.settings.runs_dir.glob("*/*/checkpoints/*"))


def test_a_damaged_checkpoint_is_told_and_the_one_before_it_is_used(bench: Bench, tiny_run: Run) -> None:
    supervising = supervise_in_background(with_(bench, train=standin.steady))
    await_step(bench, tiny_run, 17)
    ask(bench, tiny_run, "pause")
    supervising.join(10)
    (_, before), (_, damaged) = checkpoints(bench, tiny_run)
    flip_a_bit(bench, tiny_run, damaged)

    ask(bench, tiny_run, "run")
    supervise_next(with_(bench, train=functools.partial(standin.train, steps=damaged + 20)))

    ended = read(bench, tiny_run.id)
    sentence = f"The checkpoint of step {damaged} was damaged on disk, so the run goes on from step {before}."
    assert sentence in messages(bench, ended)
    assert ended.status == "succeeded"
    assert train_losses(bench, ended) == [(step, standin.loss_at(step)) for step in range(1, damaged + 21)]


@on_sqlite
def test_when_every_checkpoint_is_damaged_the_run_begins_again(bench: Bench, tiny_run: Run) -> None:
    supervising = supervise_in_background(with_(bench, train=standin.steady))
    await_step(bench, tiny_run, 17)
    ask(bench, tiny_run, "pause")
    supervising.join(10)
    for _, step in checkpoints(bench, tiny_run):
        flip_a_bit(bench, tiny_run, step)

    ask(bench, tiny_run, "run")
    supervise_next(with_(bench, train=standin.thirty_steps))

    ended = read(bench, tiny_run.id)
    assert "so the run goes on from the beginning." in " ".join(messages(bench, ended))
    assert train_losses(bench, ended) == [(step, standin.loss_at(step)) for step in range(1, 31)]


@on_sqlite
def test_a_busy_gpu_is_waited_for_without_blame(bench: Bench, tiny_run: Run) -> None:
    supervise_next(with_(bench, train=standin.find_the_gpu_busy))

    waiting = read(bench, tiny_run.id)
    assert (waiting.status, waiting.idle_attempts) == ("queued", 0)
    assert waiting.phase_note == "The GPU is in use by another program; the run waits for it."
    with transaction(bench.session_factory) as session:
        assert runs.claim_next(session, "w2") is None
        assert session.scalars(select(runs.Stint)).all() == []


@on_sqlite
def test_a_trainer_that_hangs_twice_is_a_timeout_and_its_log_says_where_it_stood(
    bench: Bench, tiny_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.follow.DUMP_SECONDS", 0.1)
    hanging = with_(set_(bench, watchdog_seconds=1.0), train=standin.hang)

    supervise_next(hanging)
    waiting = read(bench, tiny_run.id)
    supervise_next(hanging)

    ended = read(bench, tiny_run.id)
    assert (waiting.status, waiting.hangs, waiting.checkpoint_step) == ("queued", 1, 1)
    assert waiting.phase_note.startswith("The trainer gave no sign of life for 1 s at step 1")
    assert (ended.status, ended.failure_kind) == ("failed", "timeout")


@on_sqlite
def test_a_worker_that_stops_while_it_verifies_hands_the_run_back(bench: Bench, tiny_run: Run) -> None:
    supervising = supervise_in_background(with_(bench, train=standin.steady))
    await_step(bench, tiny_run, 7)
    ask(bench, tiny_run, "pause")
    supervising.join(10)
    ask(bench, tiny_run, "run")
    lease = claim(bench)
    bench.stopping.set()

    supervise(bench, lease)

    assert read(bench, tiny_run.id).status == "queued"
    assert len(checkpoints(bench, tiny_run)) == 2


def flip_a_bit(bench: Bench, run: Run, step: int) -> None:
    """Damage the state of one checkpoint without changing its size."""
    path = runs.checkpoint_folder(bench.settings.runs_dir, run.id, 1, step) / "state.json"
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
