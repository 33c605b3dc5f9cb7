"""A studio with something of everything: a dataset, a run with checkpoints, an adapter."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from studio import datasets, runs
from studio.actors import LOCAL_ACTOR
from studio.adapters import Adapter, archive_key
from studio.datasets import Dataset, Receiver
from studio.db import SessionFactory, transaction
from studio.house import House
from studio.runs import Lease, Run
from studio.runs.events import Checkpointed
from studio.settings import Settings
from studio.storage import LocalStorage

CONTENT = b'{"text": "a"}\n{"text": "b"}\n{"text": "c"}\n'


@pytest.fixture
def home(settings: Settings, session_factory: SessionFactory, storage: LocalStorage) -> House:
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return House(settings, session_factory, storage)


@pytest.fixture
def dataset(home: House) -> Dataset:
    with Receiver(home.settings.uploads_dir, "letters.jsonl", 1 << 20) as receiver:
        receiver.write(CONTENT)
        upload = receiver.finish()
    with transaction(home.session_factory) as session:
        return datasets.import_upload(session, LOCAL_ACTOR, upload, storage=home.storage)


@pytest.fixture
def run(home: House, dataset: Dataset) -> Run:
    data = {"dataset_version_id": dataset.latest.id, "sha256": dataset.latest.sha256}
    spec = runs.RunSpec.model_validate({"data": data})
    with transaction(home.session_factory) as session:
        run = Run(
            owner_id=LOCAL_ACTOR.id,
            name="A run",
            spec=spec.model_dump(mode="json"),
            method=spec.method.kind,
            base_model=spec.base_model.id,
            dataset_version_id=dataset.latest.id,
        )
        session.add(run)
    return run


@pytest.fixture
def lease(home: House, run: Run) -> Lease:
    with transaction(home.session_factory) as session:
        lease = runs.claim_next(session, "w1")
    assert lease is not None
    return lease


@pytest.fixture
def save(home: House, lease: Lease) -> Callable[[int], Path]:
    """Publish and commit a checkpoint of a step."""

    def _save(step: int) -> Path:
        final = runs.checkpoint_folder(home.settings.runs_dir, lease.run_id, lease.epoch, step)
        temporary = final.with_name(f"tmp-{step}")
        temporary.mkdir(parents=True)
        (temporary / "state.json").write_text(json.dumps({"step": step}))
        sha256, size = runs.publish_folder(temporary, final, {"step": step})
        saved = Checkpointed(
            step=step, manifest_sha256=sha256, size_bytes=size, best_step=None, best_validation_loss=None
        )
        with transaction(home.session_factory) as session:
            runs.record(session, lease, [saved])
        return final

    return _save


@pytest.fixture
def adapter(home: House, run: Run, tmp_path: Path) -> Adapter:
    (tmp_path / "archive").write_bytes(random.Random(1).randbytes(5000))
    stored = home.storage.put(tmp_path / "archive", archive_key(run.id, 1))
    adapter = Adapter(
        owner_id=LOCAL_ACTOR.id,
        run_id=run.id,
        name="An adapter",
        kind="adapter",
        method="lora",
        base_model="demo",
        step=1,
        trained_parameters=1,
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        storage_key=stored.key,
        files=[],
    )
    with transaction(home.session_factory) as session:
        session.add(adapter)
    return adapter
