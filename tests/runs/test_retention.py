"""A run keeps the checkpoints that it can need, and no row ever points to files that are gone."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from studio import runs
from studio.db import SessionFactory, reading, transaction, utc_now
from studio.runs import Checkpoint, Lease, Run
from studio.runs.events import Checkpointed
from studio.settings import Settings

Save = Callable[[int], Path]


@pytest.fixture
def lease(session_factory: SessionFactory, make_run: Callable[..., Run]) -> Lease:
    make_run()
    with transaction(session_factory) as session:
        lease = runs.claim_next(session, "w1")
    assert lease is not None
    return lease


@pytest.fixture
def save(session_factory: SessionFactory, settings: Settings, lease: Lease) -> Save:
    """Publish and commit a checkpoint of a step, as a worker does."""

    def _save(step: int) -> Path:
        final = runs.checkpoint_folder(settings.runs_dir, lease.run_id, lease.epoch, step)
        temporary = final.with_name(f"tmp-{step}")
        temporary.mkdir(parents=True)
        (temporary / "state.json").write_text(json.dumps({"step": step}))
        sha256, size = runs.publish_folder(temporary, final, {"step": step})
        saved = Checkpointed(
            step=step, manifest_sha256=sha256, size_bytes=size, best_step=None, best_validation_loss=None
        )
        with transaction(session_factory) as session:
            runs.record(session, lease, [saved])
        return final

    return _save


@pytest.fixture
def steps(session_factory: SessionFactory, lease: Lease) -> Callable[[], list[int]]:
    """The steps that have a row."""

    def _steps() -> list[int]:
        with reading(session_factory) as session:
            return list(session.scalars(select(Checkpoint.step).order_by(Checkpoint.step)))

    return _steps


@pytest.fixture
def prune(session_factory: SessionFactory, settings: Settings, lease: Lease) -> Callable[[int], int]:
    return lambda keep: runs.prune_checkpoints(session_factory, settings.runs_dir, lease.run_id, keep=keep)


def test_the_newest_are_kept_with_their_rows(
    save: Save, steps: Callable[[], list[int]], prune: Callable[[int], int]
) -> None:
    folders = {step: save(step) for step in (10, 20, 30, 40)}

    assert prune(2) == 2
    assert prune(2) == 0

    assert steps() == [30, 40]
    assert [step for step, folder in folders.items() if folder.is_dir()] == [30, 40]


def test_a_broken_checkpoint_does_not_count_as_one_that_is_kept(
    save: Save, steps: Callable[[], list[int]], prune: Callable[[int], int]
) -> None:
    folders = {step: save(step) for step in (10, 20, 30, 40)}
    (folders[30] / "state.json").write_text("torn")

    prune(2)

    assert steps() == [20, 40]
    assert not folders[30].exists()


def test_the_committed_one_stays_even_when_it_is_broken(
    save: Save, steps: Callable[[], list[int]], prune: Callable[[int], int]
) -> None:
    folders = {step: save(step) for step in (10, 20, 30)}
    (folders[30] / "state.json").unlink()

    prune(2)

    assert steps() == [10, 20, 30]


def test_after_success_none_is_kept(
    session_factory: SessionFactory,
    lease: Lease,
    save: Save,
    steps: Callable[[], list[int]],
    prune: Callable[[int], int],
) -> None:
    folders = [save(step) for step in (10, 20)]
    with transaction(session_factory) as session:
        runs.end(session, lease, "succeeded")

    prune(2)

    assert steps() == []
    assert not any(folder.exists() for folder in folders)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_after_failure_the_committed_one_is_kept_for_its_days(
    session_factory: SessionFactory,
    settings: Settings,
    lease: Lease,
    save: Save,
    steps: Callable[[], list[int]],
    prune: Callable[[int], int],
    status: str,
) -> None:
    folder = [save(step) for step in (10, 20)][-1]
    with transaction(session_factory) as session:
        runs.end(session, lease, status, kind="internal" if status == "failed" else None)
    prune(2)
    assert steps() == [20]

    _finish_earlier(session_factory, lease, days=13)
    assert runs.expire_checkpoints(session_factory, settings.runs_dir, days=14) == 0
    assert folder.is_dir()
    _finish_earlier(session_factory, lease, days=15)
    assert runs.expire_checkpoints(session_factory, settings.runs_dir, days=14) == 1

    assert steps() == []
    assert not folder.exists()


def test_a_run_that_goes_on_never_expires(
    session_factory: SessionFactory, settings: Settings, save: Save, steps: Callable[[], list[int]]
) -> None:
    save(10)

    assert runs.expire_checkpoints(session_factory, settings.runs_dir, days=0) == 0
    assert steps() == [10]


def test_pruning_a_run_that_is_not_there_does_nothing(session_factory: SessionFactory, settings: Settings) -> None:
    assert runs.prune_checkpoints(session_factory, settings.runs_dir, "run_x", keep=2) == 0


def _finish_earlier(session_factory: SessionFactory, lease: Lease, *, days: int) -> None:
    with transaction(session_factory) as session:
        session.execute(update(Run).where(Run.id == lease.run_id).values(finished_at=utc_now() - timedelta(days=days)))
