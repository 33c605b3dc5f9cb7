"""The power goes after every step of saving checkpoints, datasets and adapters: no row ever names a torn file."""

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import event, select

from studio import adapters, datasets, house, runs
from studio.actors import LOCAL_ACTOR
from studio.datasets import Receiver
from studio.db import SessionFactory, make_engine, make_session_factory, reading, transaction
from studio.house import House
from studio.runs import Checkpoint, Lease, Run
from studio.runs.events import Checkpointed, Exported
from studio.settings import Settings
from studio.storage import LocalStorage
from studio.tables import metadata
from tests.faults.artifacts.disk import LOSSES, Disk, Loss
from tests.faults.artifacts.recording import Operation, Recording

# What is left over is not wrong here: no row names it.
_SPARED = 1e12


class Save:
    """Everything that ends in files and rows, done once on a real disk."""

    def __init__(self, folder: Path, recording: Recording) -> None:
        self._folder = folder
        self._recording = recording
        self._engine = make_engine(f"sqlite:///{folder / 'live.sqlite'}")
        metadata.create_all(self._engine)
        self._sessions: SessionFactory = make_session_factory(self._engine)
        self._settings = Settings(data_dir=folder / "data")
        self._storage = LocalStorage(self._settings.storage_dir)
        self._copies = 0
        event.listen(self._sessions, "after_commit", self._committed)

    def do(self) -> None:
        self._committed()
        run = self._import_and_launch()
        with transaction(self._sessions) as session:
            lease = runs.claim(session, run.id, "w1")
        assert lease is not None
        for step in (10, 20, 30, 40):
            self._checkpoint(lease, step)
        self._register(lease)
        self._engine.dispose()

    def _committed(self, *_: object) -> None:
        """Copy the database as it is now: what SQLite has committed survives a power cut (synchronous=FULL)."""
        self._copies += 1
        target = self._folder / f"copy-{self._copies}.sqlite"
        with (
            closing(sqlite3.connect(self._folder / "live.sqlite")) as live,
            closing(sqlite3.connect(target)) as copy,
        ):
            live.backup(copy)
        self._recording.mark(target)

    def _import_and_launch(self) -> Run:
        with Receiver(self._folder / "uploads", "a.jsonl", 1 << 20) as receiver:
            receiver.write(b'{"text": "a"}\n{"text": "b"}\n')
            upload = receiver.finish()
        with transaction(self._sessions) as session:
            version = datasets.import_upload(session, LOCAL_ACTOR, upload, storage=self._storage).latest
        data = {"dataset_version_id": version.id, "sha256": version.sha256}
        spec = runs.RunSpec.model_validate({"data": data})
        with transaction(self._sessions) as session:
            run = Run(
                owner_id=LOCAL_ACTOR.id,
                name="A run",
                spec=spec.model_dump(mode="json"),
                method=spec.method.kind,
                base_model=spec.base_model.id,
                dataset_version_id=version.id,
            )
            session.add(run)
        return run

    def _checkpoint(self, lease: Lease, step: int) -> None:
        final = runs.checkpoint_folder(self._settings.runs_dir, lease.run_id, lease.epoch, step)
        temporary = final.with_name(f"tmp-{step}")
        temporary.mkdir(parents=True)
        for name in ("weights.safetensors", "optimizer.safetensors", "state.json"):
            with (temporary / name).open("wb") as stream:
                for _ in range(2):
                    stream.write(random.Random(f"{name} {step}").randbytes(500))
        sha256, size = runs.publish_folder(temporary, final, {"step": step})
        saved = Checkpointed(
            step=step, manifest_sha256=sha256, size_bytes=size, best_step=None, best_validation_loss=None
        )
        with transaction(self._sessions) as session:
            runs.record(session, lease, [saved])
        runs.prune_checkpoints(self._sessions, self._settings.runs_dir, lease.run_id, keep=2)

    def _register(self, lease: Lease) -> None:
        archive = self._folder / "adapter.zip"
        archive.write_bytes(random.Random(1).randbytes(3 << 20))
        stored = adapters.store_archive(self._storage, lease, archive)
        exported = Exported(
            archive="adapter.zip",
            sha256=stored.sha256,
            size_bytes=stored.size_bytes,
            files=[],
            step=40,
            validation_loss=None,
            trained_parameters=1,
            base_revision=None,
        )
        with transaction(self._sessions) as session:
            adapters.register(session, lease, exported, stored)


@pytest.fixture
def operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Operation]]:
    """What the disk was asked for, from the first upload to the finished adapter."""
    (tmp_path / "data").mkdir()
    with monkeypatch.context() as patch:
        recording = Recording(tmp_path / "data", patch)
        Save(tmp_path, recording).do()
    yield recording.operations


def found_wrong(operations: list[Operation], folder: Path, cuts: Iterable[tuple[int, Loss]]) -> list[str]:
    """What a fresh start finds wrong after each cut, leftovers aside."""
    wrong = []
    for number, loss in cuts:
        shutil.rmtree(folder, ignore_errors=True)
        disk, database = Disk(), None
        for operation in operations[:number]:
            operation.apply(disk)
            database = operation.mark or database
        disk.write_out(folder, loss)
        if database is not None:
            wrong += [f"cut behind step {number} ({loss}): {said}" for said in _look(folder, database)]
    return wrong


def _look(folder: Path, database: Path) -> list[str]:
    """As after a start: every finding that is no leftover, and whether the newest checkpoint is the one to resume."""
    shutil.copyfile(database, folder / "tunewright.sqlite")
    settings = Settings(data_dir=folder)
    engine = make_engine(settings.sqlalchemy_url)
    sessions = make_session_factory(engine)
    home = House(settings, sessions, LocalStorage(settings.storage_dir))
    said = [finding.sentence for finding in house.examine(home, spared_seconds=_SPARED)]
    with reading(sessions) as session:
        for run in session.scalars(select(Run)):
            steps = select(Checkpoint.step).where(Checkpoint.run_id == run.id).order_by(Checkpoint.step.desc())
            newest = session.scalar(steps.limit(1))
            if newest != run.checkpoint_step:
                said.append(f"the newest checkpoint is {newest}, and the run points to {run.checkpoint_step}")
    engine.dispose()
    return said


def test_after_a_power_cut_no_row_names_a_torn_file(operations: list[Operation], tmp_path: Path) -> None:
    """One kind of loss for each step; `make faults` tries all four."""
    cuts = [(number, LOSSES[number % 4]) for number in range(len(operations) + 1)]

    assert len(cuts) >= 100
    assert found_wrong(operations, tmp_path / "after", cuts) == []


@pytest.mark.faults
def test_after_a_power_cut_of_any_kind_no_row_names_a_torn_file(
    operations: list[Operation], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cuts = [(number, loss) for number in range(len(operations) + 1) for loss in LOSSES]

    wrong = found_wrong(operations, tmp_path / "after", cuts)

    with capsys.disabled():
        kinds = Counter(operation.name for operation in operations)
        print(f"\ncrash replay: {len(wrong)} torn of {len(cuts)} cuts behind {dict(kinds)}")
    assert wrong == []


@pytest.mark.parametrize("path", ["files", "runs"])
def test_a_save_that_does_not_sync_is_caught(operations: list[Operation], tmp_path: Path, path: str) -> None:
    """The model bites: without the syncs of one of the two trees rows name what is torn or gone."""
    careless = [one for one in operations if one.name != "fsync" or one.path.parts[:1] != (path,)]
    last = len(careless)

    for loss in ("everything", "content", "half"):
        assert found_wrong(careless, tmp_path / "after", [(last - 1, loss)]), loss
