"""Runs that go on from what a run that is over has left: files, rows, and one of them however often it is asked."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import select

from studio import runs
from studio.actors import LOCAL_ACTOR, Actor
from studio.db import SessionFactory, reading, transaction
from studio.errors import Conflict, NotFound
from studio.queue import SilentQueue
from studio.runs import Run
from studio.settings import Settings
from tests.runs.states import STEP, claimed, in_state, trained

MakeRun = Callable[..., Run]
Verb = Callable[..., Run]


class Counted(SilentQueue):
    """A queue that keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, run_id: str) -> None:
        self.sent.append(run_id)


@pytest.fixture
def queue() -> Counted:
    return Counted()


@pytest.fixture
def retry(session_factory: SessionFactory, settings: Settings, queue: Counted) -> Verb:
    return lambda run: runs.retry(session_factory, LOCAL_ACTOR, run.id, queue=queue, settings=settings)


@pytest.fixture
def keep(session_factory: SessionFactory, settings: Settings, queue: Counted) -> Verb:
    return lambda run: runs.keep(session_factory, LOCAL_ACTOR, run.id, queue=queue, settings=settings)


@pytest.fixture
def ended(session_factory: SessionFactory, settings: Settings, make_run: MakeRun) -> Callable[..., Run]:
    """A run that ended one step behind its checkpoint of step 4."""

    def _ended(status: str = "failed") -> Run:
        run = make_run("Demo", base_model={"id": "Qwen/Qwen3-0.6B"})
        lease = claimed(session_factory, run)
        trained(session_factory, lease, settings.runs_dir, last=STEP + 1)
        with transaction(session_factory) as session:
            runs.end(session, lease, status, kind="internal" if status == "failed" else None, reason="It broke.")
        return _read(session_factory, run)

    return _ended


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_retry_stands_where_the_checkpoint_stood(
    session_factory: SessionFactory, retry: Verb, ended: Callable[..., Run], queue: Counted, status: str
) -> None:
    parent = ended(status)

    made = _read(session_factory, retry(parent))

    assert (made.parent_run_id, made.status, made.desired, made.epoch) == (parent.id, "queued", "run", 0)
    assert (made.step, made.checkpoint_step, made.checkpoint_epoch) == (STEP, STEP, 0)
    assert (made.best_step, made.best_validation_loss) == (STEP, 1.6)
    assert made.initial_validation_loss == parent.initial_validation_loss == 1.9
    assert (made.last_train_loss, made.last_validation_loss) == (2.6, 1.6)
    assert (made.name, made.total_steps, made.spec) == ("Demo (2)", parent.total_steps, parent.spec)
    assert queue.sent == [made.id]
    assert _read(session_factory, parent).status == status


def test_the_checkpoint_is_linked_not_copied_and_verifies(
    session_factory: SessionFactory, retry: Verb, ended: Callable[..., Run], settings: Settings
) -> None:
    parent = ended()

    made = retry(parent)

    with reading(session_factory) as session:
        checkpoint = runs.committed_checkpoint(session, made.id)
    assert checkpoint is not None and checkpoint.size_bytes > 0
    old = runs.checkpoint_folder(settings.runs_dir, parent.id, 1, STEP)
    new = runs.checkpoint_folder(settings.runs_dir, made.id, 0, STEP)
    assert runs.verify_folder(new, checkpoint.manifest_sha256).facts == {"step": STEP}
    assert {path.stat().st_ino for path in new.iterdir()} == {path.stat().st_ino for path in old.iterdir()}
    assert [path.name for path in new.parent.iterdir()] == [new.name]


def test_what_was_measured_up_to_the_checkpoint_comes_along_and_counts_on(
    session_factory: SessionFactory, retry: Verb, ended: Callable[..., Run]
) -> None:
    parent = ended()

    made = retry(parent)

    with transaction(session_factory) as session:
        old, new = session.get_one(Run, parent.id), session.get_one(Run, made.id)
        for name in ("train/loss", "eval/loss"):
            assert runs.read_series(session, new, name) == runs.read_series(session, old, name, last_step=STEP)
        assert [a.answer for a in runs.read_answers(session, new)] == [f"It is {step}" for step in range(1, STEP + 1)]
        numbers = sorted(session.scalars(select(runs.Point.seq).where(runs.Point.run_id == made.id)))
        (queued,) = runs.read_events(session, new)
        lease = runs.claim_next(session, "w2")
        first = runs.fence(session, lease, sequence_numbers=1)
    assert numbers == list(range(1, 2 * STEP + 1))
    assert queued.message == f"The run was queued; it goes on from step {STEP} of the run before it."
    # The event has the next number, the claim's own the one after it.
    assert (queued.seq, first) == (2 * STEP + 1, 2 * STEP + 3)


def test_a_claim_of_a_retry_keeps_what_was_copied(
    session_factory: SessionFactory, retry: Verb, ended: Callable[..., Run]
) -> None:
    made = retry(ended())

    with transaction(session_factory) as session:
        lease = runs.claim_next(session, "w2")
        assert lease is not None and (lease.run_id, lease.epoch) == (made.id, 1)

    after = _read(session_factory, made)
    assert (after.step, after.claimed_step, after.best_step) == (STEP, STEP, STEP)
    with reading(session_factory) as session:
        assert len(runs.read_series(session, after, "train/loss")) == STEP


def test_asking_twice_and_at_once_makes_one_run(
    session_factory: SessionFactory, retry: Verb, ended: Callable[..., Run], settings: Settings
) -> None:
    parent = ended()

    with ThreadPoolExecutor(4) as pool:
        made = {run.id for run in pool.map(retry, [parent] * 4)}

    assert len(made) == 1
    assert retry(parent).id in made
    assert {path.name for path in settings.runs_dir.iterdir()} == {parent.id, *made}


def test_a_retry_of_a_retry_goes_on_from_the_same_files(
    session_factory: SessionFactory, retry: Verb, ended: Callable[..., Run]
) -> None:
    first = retry(ended())
    with transaction(session_factory) as session:
        runs.cancel(session, LOCAL_ACTOR, first.id)

    second = _read(session_factory, retry(first))

    assert (second.parent_run_id, second.checkpoint_step, second.name) == (first.id, STEP, "Demo (3)")


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(
    session_factory: SessionFactory, retry: Verb, ended: Callable[..., Run], settings: Settings
) -> None:
    parent = ended()
    _flip_a_bit(runs.checkpoint_folder(settings.runs_dir, parent.id, 1, STEP) / "weights.safetensors")

    made = _read(session_factory, retry(parent))

    assert (made.checkpoint_step, made.best_step, made.last_train_loss) == (STEP - 2, STEP - 2, 2.8)


@pytest.mark.parametrize("has_checkpoint", [True, False])
def test_without_a_whole_checkpoint_a_retry_begins_at_the_start_and_nothing_is_kept(
    session_factory: SessionFactory,
    retry: Verb,
    keep: Verb,
    ended: Callable[..., Run],
    make_run: MakeRun,
    settings: Settings,
    has_checkpoint: bool,
) -> None:
    if has_checkpoint:
        parent = ended()
        for step in (2, STEP):
            _flip_a_bit(runs.checkpoint_folder(settings.runs_dir, parent.id, 1, step) / "manifest.json")
    else:
        parent = make_run("Demo", base_model={"id": "Qwen/Qwen3-0.6B"})
        in_state(session_factory, parent, "failed")

    made = _read(session_factory, retry(parent))

    assert (made.parent_run_id, made.checkpoint_step, made.step) == (parent.id, None, 0)
    assert made.spec == parent.spec
    assert retry(parent).id == made.id
    with pytest.raises(Conflict, match=r"nothing to keep|nothing was kept"):
        keep(parent)


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_keeping_what_ended_makes_a_run_that_only_exports(
    session_factory: SessionFactory, keep: Verb, retry: Verb, ended: Callable[..., Run], status: str
) -> None:
    parent = ended(status)

    kept = _read(session_factory, keep(parent))

    assert (kept.desired, kept.checkpoint_step, kept.parent_run_id) == ("keep", STEP, parent.id)
    assert keep(parent).id == kept.id != retry(parent).id
    with transaction(session_factory) as session:
        lease = runs.claim_next(session, "w2")
        assert lease is not None and runs.read_desire(session, lease) == "keep"


def test_keeping_a_run_that_goes_on_stops_that_run(
    session_factory: SessionFactory, keep: Verb, make_run: MakeRun
) -> None:
    run = make_run()
    in_state(session_factory, run, "running")

    assert keep(run).id == keep(run).id == run.id

    assert _read(session_factory, run).desired == "keep"


@pytest.mark.parametrize("state", ["queued", "paused", "running", "pausing", "keeping", "cancelling", "succeeded"])
def test_what_has_not_failed_is_not_retried(
    session_factory: SessionFactory, retry: Verb, make_run: MakeRun, state: str
) -> None:
    run = make_run()
    in_state(session_factory, run, state)

    with pytest.raises(Conflict, match="nothing was retried"):
        retry(run)


def test_keeping_a_finished_run_says_that_it_finished(
    session_factory: SessionFactory, keep: Verb, ended: Callable[..., Run]
) -> None:
    with pytest.raises(Conflict, match="had already finished; nothing was kept"):
        keep(ended("succeeded"))


@pytest.mark.parametrize("rounds", [6, pytest.param(100, marks=pytest.mark.faults)])
def test_keeping_at_the_instant_of_failure_keeps_the_run_or_a_new_one(
    session_factory: SessionFactory, keep: Verb, make_run: MakeRun, settings: Settings, rounds: int
) -> None:
    for _ in range(rounds):
        run = make_run()
        lease = claimed(session_factory, run)
        trained(session_factory, lease, settings.runs_dir, last=2)

        with ThreadPoolExecutor(2) as pool:
            pool.submit(_fail, session_factory, lease)
            kept = pool.submit(keep, run).result()

        assert _read(session_factory, run).status == "failed"
        assert kept.id == run.id or (kept.parent_run_id, kept.desired) == (run.id, "keep")


def test_a_copy_stands_in_for_a_link_where_links_are_not_possible(
    retry: Verb, ended: Callable[..., Run], settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def _refused(target: Path, source: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", _refused)

    made = retry(ended())

    assert runs.verify_folder(runs.checkpoint_folder(settings.runs_dir, made.id, 0, STEP)).facts == {"step": STEP}


def test_another_person_goes_on_from_nothing(
    session_factory: SessionFactory, ended: Callable[..., Run], queue: Counted, settings: Settings
) -> None:
    parent, stranger = ended(), Actor(id="usr_other")

    for verb in (runs.retry, runs.keep):
        with pytest.raises(NotFound):
            verb(session_factory, stranger, parent.id, queue=queue, settings=settings)
    with pytest.raises(NotFound), transaction(session_factory) as session:
        runs.run_again(session, stranger, parent.id, queue=queue, settings=settings)


def _flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _fail(session_factory: SessionFactory, lease: runs.Lease) -> None:
    with transaction(session_factory) as session:
        runs.end(session, lease, "failed", kind="internal", reason="It broke.")


def _read(session_factory: SessionFactory, run: Run) -> Run:
    with reading(session_factory) as session:
        return session.get_one(Run, run.id)
