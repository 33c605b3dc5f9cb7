"""`tunewright up` that is stopped, killed and started again in the middle of a real run."""

import signal
import time
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from studio.db import SessionFactory, make_engine, reading, transaction
from studio.migrate import upgrade
from studio.runs import Point, Run
from studio.settings import Settings
from tests.faults.chaos.home import ROOT
from tests.up import Up

pytestmark = [pytest.mark.faults, pytest.mark.training]

# So long, and with fewer than 20,000 steps each of them is told.
FOR_EVER = {"max_steps": 15_000, "batch_size": 2, "gradient_accumulation_steps": 1}
QUICK = {"sample_prompts": 1, "sample_tokens": 4}
PATIENCE_SECONDS = 180


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """The database that `up` will use."""
    settings.data_dir.mkdir(parents=True)
    upgrade(settings.sqlalchemy_url)
    engine = make_engine(settings.sqlalchemy_url)
    yield engine
    engine.dispose()


@pytest.fixture
def start(settings: Settings) -> Iterator[Callable[[], Up]]:
    """Start the whole studio; what is left at the end is stopped."""
    started: list[Up] = []

    def _start() -> Up:
        environ = {"TUNEWRIGHT_MODELS_ROOT": str(ROOT / "examples"), "TUNEWRIGHT_CHECKPOINT_STEPS": "20"}
        started.append(Up(settings.data_dir, **environ, OMP_NUM_THREADS="1"))
        started[-1].url()
        return started[-1]

    yield _start
    for up in started:
        up.stop()


def test_what_was_running_goes_on_after_a_stop_a_kill_and_a_power_cut(
    start: Callable[[], Up], make_run: Callable[..., Run], session_factory: SessionFactory
) -> None:
    base = {"id": "folder:demo-base-model"}
    run = make_run(base_model=base, hyperparameters=FOR_EVER, evaluation=QUICK)
    first = start()
    await_run(session_factory, run, lambda run: run.step > 25)

    began = time.monotonic()
    first.process.send_signal(signal.SIGINT)
    code, _ = first.ends_with()
    stopped_seconds = time.monotonic() - began
    saved = read(session_factory, run)

    assert (code, saved.status) == (0, "queued")
    assert saved.checkpoint_step is not None and saved.checkpoint_step >= saved.step
    second = start()
    again = await_run(session_factory, run, lambda run: run.step > saved.step + 25)
    second.process.kill()
    second.process.wait()
    assert (again.epoch, again.claimed_step) == (2, saved.checkpoint_step)

    third = start()
    began = time.monotonic()
    back = await_run(session_factory, run, lambda run: run.epoch == 4 and run.step > (run.claimed_step or 0) + 5)
    back_seconds = time.monotonic() - began
    third.process.send_signal(signal.SIGINT)
    third.process.send_signal(signal.SIGINT)
    began = time.monotonic()
    third.ends_with()
    forced_seconds = time.monotonic() - began

    print(f"up: stopped in {stopped_seconds:.1f} s; back {back_seconds:.1f} s after a power cut")
    assert stopped_seconds < 60
    assert forced_seconds < 10
    assert back_seconds < 90
    last = start()
    await_run(session_factory, run, lambda run: run.epoch > 4 and run.status == "running")
    with transaction(session_factory) as session:
        session.get_one(Run, run.id).desired = "keep"
    ended = await_run(session_factory, run, lambda run: run.is_over)
    assert ended.status == "succeeded"
    assert back.claimed_step is not None and back.claimed_step > saved.checkpoint_step
    assert steps(session_factory, ended) == list(range(1, ended.step + 1))
    assert last.process.poll() is None


def read(session_factory: SessionFactory, run: Run) -> Run:
    """The run as it is now."""
    with reading(session_factory) as session:
        return session.get_one(Run, run.id)


def steps(session_factory: SessionFactory, run: Run) -> list[int]:
    """The steps whose loss is shown."""
    with reading(session_factory) as session:
        shown = session.query(Point).filter_by(run_id=run.id, name="train/loss", superseded=False)
        return sorted(point.step for point in shown)


def await_run(session_factory: SessionFactory, run: Run, ready: Callable[[Run], bool]) -> Run:
    """Poll with a deadline."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not ready(found := read(session_factory, run)):
        assert time.monotonic() < deadline, (found.status, found.phase_note, found.step)
        time.sleep(0.1)
    return found
