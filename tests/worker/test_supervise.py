"""The supervisor with real processes of a real forkserver, on both databases; only the training is a stand-in."""

import dataclasses
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from sqlalchemy.exc import OperationalError

from studio import adapters, runs
from studio.actors import LOCAL_ACTOR
from studio.datasets import DatasetVersion
from studio.db import SessionFactory, reading, transaction
from studio.runs import Point, Run
from studio.settings import Settings
from studio.storage import LocalStorage
from studio.wire import Wire, stream_key
from tests.worker import standin
from tests.worker.hub import COMMIT_OF_MAIN, TOKEN, Hub, serve_hub
from worker.bench import Bench
from worker.start import Forkserver, Target
from worker.supervise import STOPPED_SENTENCE, supervise

MakeRun = Callable[..., Run]
on_sqlite = pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
Train = Callable[[Target], Run]
HUB_FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "model.safetensors": b"\2\0\0\0\0\0\0\0{}",
}


@pytest.fixture(scope="module")
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Forkserver:
    server = Forkserver(preload=["worker.start"])
    server.warm_up(tmp_path_factory.mktemp("forkserver"))
    return server


@pytest.fixture
def models_root(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    (folder / "model.safetensors").write_bytes(b"\2\0\0\0\0\0\0\0{}")
    return folder.parent


@pytest.fixture
def bench(
    tmp_path: Path,
    models_root: Path,
    session_factory: SessionFactory,
    storage: LocalStorage,
    empty_redis: str,
    forkserver: Forkserver,
) -> Bench:
    settings = Settings(data_dir=tmp_path / "data", models_root=models_root, redis_url=empty_redis)
    return Bench(
        settings=settings,
        session_factory=session_factory,
        storage=storage,
        wire=Wire(empty_redis),
        forkserver=forkserver,
        train=standin.succeed,
        owner="w1",
        download_environ=dict(os.environ),
    )


@pytest.fixture
def train(bench: Bench, make_run: MakeRun) -> Train:
    """Queue, claim and supervise one run whose trainer is `target`; returns it as it ended."""

    def _train(target: Target) -> Run:
        run = make_run(base_model={"id": "folder:tiny"})
        supervise(_with(bench, train=target), _claim(bench))
        return _read(bench, run.id)

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
def test_the_wire_carries_points_and_says_that_the_run_ended(train: Train, bench: Bench) -> None:
    run = train(standin.succeed)

    assert bench.settings.redis_url is not None
    with redis.Redis.from_url(bench.settings.redis_url, decode_responses=True) as client:
        entries = [entry for _, entry in client.xrange(stream_key(run.id))]
    assert entries[-2:] == [{"kind": "changed", "payload": "{}"}, {"kind": "done", "payload": "{}"}]
    assert '["train/loss", 2, null, "nan"]' in "".join(e["payload"] for e in entries if e["kind"] == "points")


@on_sqlite
def test_training_needs_no_redis(train: Train, bench: Bench, make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(base_model={"id": "folder:tiny"})

    supervise(_with(bench, wire=Wire(f"unix://{tmp_path}/nobody.sock")), _claim(bench))

    assert _read(bench, run.id).status == "succeeded"


@on_sqlite
@pytest.mark.parametrize(
    ("target", "kind", "sentence"),
    [
        (standin.be_killed, "killed", "The trainer was ended by signal 9 (SIGKILL) at step 37."),
        (standin.crash, "internal", "The trainer crashed with signal 11 (SIGSEGV) before its first step"),
        (standin.fail, "bad_data", "Row 17 has no answer to learn from."),
        (standin.fail_with_a_trace, "internal", "Something failed inside the trainer; the log says what."),
        (standin.say_nothing, "internal", "The trainer left without a result (exit code 3)"),
        (standin.raise_an_error, "internal", "The trainer left without a result (exit code 1)"),
        (standin.lie_about_the_archive, "internal", "The trainer named an archive that is not in its folder"),
    ],
)
def test_a_trainer_that_dies_is_told_in_a_sentence(train: Train, target: Target, kind: str, sentence: str) -> None:
    run = train(target)

    assert (run.status, run.failure_kind) == ("failed", kind)
    assert run.failure_reason.startswith(sentence)
    assert "Traceback" not in run.failure_reason


@on_sqlite
def test_the_trace_of_a_trainer_is_in_its_log(train: Train, bench: Bench) -> None:
    run = train(standin.raise_an_error)

    assert "KeyError: 'lm_head'" in runs.read_log(bench.settings.runs_dir, run.id, 1)


@on_sqlite
@pytest.mark.parametrize("target", [standin.wait_for_ever, standin.ignore_sigterm])
def test_cancelling_ends_the_trainer_and_what_it_started(bench: Bench, make_run: MakeRun, target: Target) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    supervising = _supervise_in_background(_with(bench, train=target))
    helper = _await_helper(bench, run.id)

    assert _cancel_and_join(bench, run, supervising) < 5
    assert _read(bench, run.id).status == "cancelled"
    _await(lambda: not _is_running(helper))


def test_stopping_the_worker_hands_the_run_back(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    stopping = threading.Event()
    supervising = _supervise_in_background(_with(bench, train=standin.wait_for_ever, stopping=stopping))
    helper = _await_helper(bench, run.id)

    stopping.set()
    supervising.join(10)

    left = _read(bench, run.id)
    assert (left.status, left.phase_note, left.attempt) == ("queued", STOPPED_SENTENCE, 0)
    _await(lambda: not _is_running(helper))


def test_losing_the_lease_ends_the_trainer_and_writes_nothing(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    supervising = _supervise_in_background(_with(bench, train=standin.wait_for_ever))
    helper = _await_helper(bench, run.id)

    with transaction(bench.session_factory) as session:
        session.get_one(Run, run.id).lease_until = 0.0
        session.flush()
        assert runs.reap(session) == [run.id]
        second = runs.claim_next(session, "w2")
    supervising.join(10)

    _await(lambda: not _is_running(helper))
    held = _read(bench, run.id)
    assert second is not None
    assert (held.status, held.owner, held.epoch) == ("starting", "w2", second.epoch)


def test_a_run_that_was_cancelled_during_its_last_step_leaves_no_adapter(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    lease = _claim(bench)
    with transaction(bench.session_factory) as session:
        runs.cancel(session, LOCAL_ACTOR, run.id)

    supervise(bench, lease)

    cancelled = _read(bench, run.id)
    with reading(bench.session_factory) as session:
        assert adapters.adapter_of_run(session, cancelled) is None
    assert cancelled.status == "cancelled"
    assert not list(bench.settings.storage_dir.glob("adapters/*/*"))


def test_damaged_rows_are_refused_before_training(bench: Bench, make_run: MakeRun, version: DatasetVersion) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    with bench.storage.path(version.rows_key).open("ab") as stream:
        stream.write(b" ")

    supervise(bench, _claim(bench))

    failed = _read(bench, run.id)
    assert (failed.failure_kind, "SHA-256 differs" in failed.failure_reason) == ("bad_data", True)


@on_sqlite
def test_missing_rows_are_refused_before_training(bench: Bench, make_run: MakeRun, version: DatasetVersion) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    bench.storage.delete(version.rows_key)

    supervise(bench, _claim(bench))

    assert _read(bench, run.id).failure_kind == "bad_data"


@on_sqlite
def test_a_full_disk_is_told_with_its_numbers(bench: Bench, make_run: MakeRun, models_root: Path) -> None:
    # A sparse file of 1 TB: full training of it would need 24 TB.
    os.truncate(models_root / "tiny" / "model.safetensors", 10**12)
    run = make_run(base_model={"id": "folder:tiny"}, method={"kind": "full"})

    supervise(bench, _claim(bench))

    failed = _read(bench, run.id)
    assert failed.failure_kind == "disk_full"
    assert "needs up to 24000.3 GB of disk" in failed.failure_reason


@on_sqlite
def test_a_base_model_that_could_run_code_is_refused(bench: Bench, make_run: MakeRun, models_root: Path) -> None:
    (models_root / "tiny" / "config.json").write_text('{"model_type": "llama", "auto_map": {"AutoModel": "x.Y"}}')
    run = make_run(base_model={"id": "folder:tiny"})

    supervise(bench, _claim(bench))

    assert _read(bench, run.id).failure_kind == "model_load"


@on_sqlite
def test_a_base_model_that_is_gone_is_told(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:gone"})

    supervise(bench, _claim(bench))

    assert "There is no folder 'gone'" in _read(bench, run.id).failure_reason


@on_sqlite
def test_a_base_model_of_the_hub_keeps_its_commit(bench: Bench, make_run: MakeRun) -> None:
    with serve_hub() as hub:
        hub.add("acme/tiny", HUB_FILES, gated=True)
        run = make_run(base_model={"id": "acme/tiny"})

        supervise(_with(bench, settings=_at(bench, hub), hub_token=TOKEN), _claim(bench))

    ended = _read(bench, run.id)
    assert (ended.status, ended.failure_reason) == ("succeeded", "")
    with reading(bench.session_factory) as session:
        adapter = adapters.adapter_of_run(session, ended)
    assert adapter is not None
    assert adapter.base_revision == COMMIT_OF_MAIN
    folder = runs.attempt_folder(bench.settings.runs_dir, run.id, 1)
    assert not any(TOKEN in path.read_text() for path in folder.iterdir() if path.is_file())


@on_sqlite
def test_a_gated_base_model_is_told(bench: Bench, make_run: MakeRun) -> None:
    with serve_hub() as hub:
        hub.add("acme/tiny", HUB_FILES, gated=True)
        run = make_run(base_model={"id": "acme/tiny"})

        supervise(_with(bench, settings=_at(bench, hub)), _claim(bench))

    failed = _read(bench, run.id)
    assert (failed.failure_kind, "Accept the licence" in failed.failure_reason) == ("model_load", True)


@on_sqlite
def test_cancelling_a_download_ends_it_within_five_seconds(bench: Bench, make_run: MakeRun) -> None:
    with serve_hub() as hub:
        hub.add("acme/tiny", HUB_FILES)
        hub.flowing.clear()
        run = make_run(base_model={"id": "acme/tiny"})
        supervising = _supervise_in_background(_with(bench, settings=_at(bench, hub)))
        _await(lambda: any(line.startswith("GET") and "safetensors" in line for line in hub.asked))
        assert _read(bench, run.id).phase == "downloading"

        assert _cancel_and_join(bench, run, supervising) < 5

    assert _read(bench, run.id).status == "cancelled"


@on_sqlite
def test_cancelling_while_the_worker_warms_up_needs_no_trainer(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    cold = Forkserver(preload=["worker.start"])
    supervising = _supervise_in_background(_with(bench, forkserver=cold))
    _await(lambda: _read(bench, run.id).phase_note.startswith("Warming up"))

    assert _cancel_and_join(bench, run, supervising) < 5

    assert _read(bench, run.id).status == "cancelled"


@on_sqlite
def test_a_database_that_is_away_for_a_moment_loses_nothing(bench: Bench, make_run: MakeRun) -> None:
    run = make_run(base_model={"id": "folder:tiny"})
    lease = _claim(bench)
    away = _Away(bench.session_factory, calls=range(3, 6))

    supervise(_with(bench, session_factory=away), lease)

    ended = _read(bench, run.id)
    with reading(bench.session_factory) as session:
        steps = [point.step for point in runs.read_series(session, ended, "train/loss")]
    assert away.calls_made > 6
    assert (ended.status, steps) == ("succeeded", [1, 2, 3])


def test_points_of_a_run_are_recorded_once(train: Train, bench: Bench) -> None:
    run = train(standin.succeed)

    with reading(bench.session_factory) as session:
        keys = [(point.name, point.step) for point in session.query(Point).filter_by(run_id=run.id)]
    assert sorted(keys) == [("eval/loss", 0), ("train/loss", 1), ("train/loss", 2), ("train/loss", 3)]


class _Away:
    """Sessions of a database that does not answer some of the calls."""

    def __init__(self, session_factory: SessionFactory, calls: range) -> None:
        self._session_factory = session_factory
        self._calls = calls
        self.calls_made = 0

    def __call__(self) -> object:
        self.calls_made += 1
        if self.calls_made in self._calls:
            raise OperationalError("SELECT 1", {}, Exception("the server closed the connection"))
        return self._session_factory()


def _with(bench: Bench, **changes: object) -> Bench:
    return dataclasses.replace(bench, **changes)


def _claim(bench: Bench) -> runs.Lease:
    with transaction(bench.session_factory) as session:
        lease = runs.claim_next(session, bench.owner)
    assert lease is not None
    return lease


def _read(bench: Bench, run_id: str) -> Run:
    with reading(bench.session_factory) as session:
        return session.get_one(Run, run_id)


def _supervise_in_background(bench: Bench) -> threading.Thread:
    thread = threading.Thread(target=supervise, args=(bench, _claim(bench)))
    thread.start()
    return thread


def _at(bench: Bench, hub: Hub) -> Settings:
    return bench.settings.model_copy(update={"hub_endpoint": hub.url})


def _cancel_and_join(bench: Bench, run: Run, supervising: threading.Thread) -> float:
    """Cancel as a person does; returns the seconds until nothing is left of the run."""
    began = time.monotonic()
    with transaction(bench.session_factory) as session:
        runs.cancel(session, LOCAL_ACTOR, run.id)
    supervising.join(20)
    return time.monotonic() - began


def _await(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _await_helper(bench: Bench, run_id: str) -> int:
    """The process that the stand-in started, once its run shows step 37."""
    _await(lambda: _read(bench, run_id).step == 37)
    return int((runs.attempt_folder(bench.settings.runs_dir, run_id, 1) / "helper.pid").read_text())


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
