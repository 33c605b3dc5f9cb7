"""The supervisor with real processes of a real forkserver, on both databases; only the training is a stand-in."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from studio import adapters, runs
from studio.db import reading, transaction
from studio.runs import Point, Run
from studio.wire import Wire, stream_key
from tests.worker import standin
from tests.worker.benches import MakeRun, claim, on_sqlite, read, supervise_next, with_
from worker.bench import Bench
from worker.start import Target
from worker.supervise import supervise

Train = Callable[[Target], Run]


@pytest.fixture
def train(bench: Bench, make_run: MakeRun) -> Train:
    """Queue, claim and supervise one run whose trainer is `target`; returns it as it ended."""

    def _train(target: Target) -> Run:
        run = make_run(base_model={"id": "folder:tiny"})
        supervise(with_(bench, train=target), claim(bench))
        return read(bench, run.id)

    return _train


def test_a_run_succeeds_with_its_adapter_in_one_transaction(train: Train, bench: Bench) -> None:
    run = train(standin.succeed)

    assert (run.status, run.phase, run.failure_reason) == ("succeeded", "done", "")
    with reading(bench.session_factory) as session:
        adapter = adapters.adapter_of_run(session, run)
    assert adapter is not None
    assert bench.storage.path(adapter.storage_key).stat().st_size == adapter.size_bytes
    assert not (runs.attempt_folder(bench.settings.runs_dir, run.id, 1) / "export").exists()


@on_sqlite
def test_points_that_are_not_finite_survive_the_trip(train: Train, bench: Bench) -> None:
    run = train(standin.succeed)

    with reading(bench.session_factory) as session:
        series = runs.read_series(session, run, "train/loss")
    assert [(point.step, point.value, point.kind) for point in series] == [
        (1, 2.5, "num"),
        (2, None, "nan"),
        (3, None, "-inf"),
    ]


@on_sqlite
def test_those_who_watch_are_poked(train: Train, bench: Bench) -> None:
    run = train(standin.succeed)

    assert bench.settings.redis_url is not None
    with redis.Redis.from_url(bench.settings.redis_url, decode_responses=True) as client:
        assert client.xlen(stream_key(run.id)) >= 2


@on_sqlite
def test_training_needs_no_redis(train: Train, bench: Bench, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(base_model={"id": "folder:tiny"})

    supervise(with_(bench, wire=Wire(f"unix://{tmp_path}/nobody.sock")), claim(bench))

    assert read(bench, run.id).status == "succeeded"


@on_sqlite
@pytest.mark.parametrize(
    ("target", "kind", "sentence"),
    [
        (standin.fail, "bad_data", "Row 17 has no answer to learn from."),
        (standin.fail_with_a_trace, "internal", "Something failed inside the trainer; the log says what."),
        (standin.lie_about_the_archive, "internal", "The trainer named an archive that is not in its folder"),
    ],
)
def test_a_trainer_that_gives_up_is_told_in_a_sentence(train: Train, target: Target, kind: str, sentence: str) -> None:
    run = train(target)

    assert (run.status, run.failure_kind) == ("failed", kind)
    assert run.failure_reason.startswith(sentence)
    assert "Traceback" not in run.failure_reason


@on_sqlite
@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (standin.be_killed, "The trainer was ended by signal 9 (SIGKILL) at step 37."),
        (standin.crash, "The trainer crashed with signal 11 (SIGSEGV) before its first step; the log says more."),
        (standin.say_nothing, "The trainer left without a result (exit code 3) before its first step"),
        (standin.raise_an_error, "The trainer left without a result (exit code 1) before its first step"),
    ],
)
def test_an_accident_puts_the_run_back_and_the_third_in_a_row_ends_it(
    bench: Bench, tiny_run: Run, target: Target, sentence: str
) -> None:
    unlucky = with_(bench, train=target)
    for attempt in (1, 2):
        supervise_next(unlucky)
        waiting = read(bench, tiny_run.id)
        assert (waiting.status, waiting.idle_attempts) == ("queued", attempt)
        assert waiting.phase_note.startswith(sentence)
    with transaction(bench.session_factory) as session:
        session.get_one(Run, tiny_run.id).not_before = 0.0

    supervise_next(unlucky)

    ended = read(bench, tiny_run.id)
    assert (ended.status, ended.failure_kind) == ("failed", "crash_loop")
    assert ended.failure_reason.startswith(sentence)
    assert ended.failure_reason.endswith("That was the third time in a row.")


@on_sqlite
def test_the_trace_of_a_trainer_is_in_its_log(train: Train, bench: Bench) -> None:
    run = train(standin.raise_an_error)

    assert "KeyError: 'lm_head'" in runs.read_log(bench.settings.runs_dir, run.id, 1)


def test_points_of_a_run_are_recorded_once(train: Train, bench: Bench) -> None:
    run = train(standin.succeed)

    with reading(bench.session_factory) as session:
        keys = [(point.name, point.step) for point in session.query(Point).filter_by(run_id=run.id)]
    assert sorted(keys) == [("eval/loss", 0), ("train/loss", 1), ("train/loss", 2), ("train/loss", 3)]
