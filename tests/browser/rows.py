"""A dataset, runs in each state, and an adapter, written as a worker would."""

import math

from studio import datasets, ladders, runs
from studio.actors import LOCAL_ACTOR
from studio.adapters import Adapter
from studio.datasets import Receiver
from studio.db import transaction
from studio.queue import SilentQueue
from studio.runs import Checkpoint, Point, Run, RunEvent, SampleAnswer, Stint
from tests.browser.live import LiveStudio

STEPS = 60
_SAVED = {"checkpoint_step": STEPS, "checkpoint_epoch": 1}
_NOTE = "Resumed with another device, GPU driver; not bit-exact."
# The status behind a state, and columns that make it that state.
_OTHER: dict[str, tuple[str, dict[str, object]]] = {
    "too_large": ("failed", {"failure_kind": "oom_gpu", "failure_reason": "2 GiB were asked for.", **_SAVED}),
    "resumed": ("running", {"claimed_step": STEPS - 20, "resume_note": _NOTE, **_SAVED}),
    "given_up": ("cancelled", _SAVED),
    "paused": ("queued", {"desired": "pause", **_SAVED}),
}


def import_numbers(live: LiveStudio, name: str, split: datasets.Split) -> datasets.Dataset:
    """Import 30 rows."""
    lines = b"".join(b'{"prompt": "Say %d", "completion": "<b>It is %d</b>"}\n' % (n, n) for n in range(30))
    with Receiver(live.settings.uploads_dir, "numbers.jsonl", 1 << 20) as receiver:
        receiver.write(lines)
        upload = receiver.finish()
    with transaction(live.session_factory) as session:
        return datasets.import_upload(session, LOCAL_ACTOR, upload, storage=live.storage, name=name, split=split)


def make_run(live: LiveStudio, dataset: datasets.Dataset, state: str) -> str:
    """Make a run in a state: a status, or one of those of `_OTHER`."""
    status, columns = _OTHER.get(state, (state, {}))
    version = dataset.latest
    data = {"dataset_version_id": version.id, "sha256": version.sha256, "split": version.split}
    spec = runs.validate_spec({"data": data, "hyperparameters": {"max_steps": STEPS}})
    with transaction(live.session_factory) as session:
        run = runs.launch(
            session, LOCAL_ACTOR, spec, queue=SilentQueue(), settings=live.settings, name=f"A run that is {state}"
        )
        if status != "queued":
            run.status, run.epoch, run.step, run.best_step = status, 1, STEPS, STEPS
            run.phase = "training" if status == "running" else "done"
            run.started_at = run.created_at
            run.finished_at = run.created_at if status != "running" else None
            run.failure_kind = "non_finite" if status == "failed" else None
            # Its lease holds for the length of the tests: nobody takes it back.
            run.lease_until = 4e9
            session.add_all(_measured(run, status))
        for name, value in columns.items():
            setattr(run, name, value)
        if columns:
            session.add(Checkpoint(run_id=run.id, epoch=1, step=STEPS, manifest_sha256="ef" * 32, size_bytes=1000))
        return run.id


def make_ladder(live: LiveStudio, dataset: datasets.Dataset, states: tuple[str, ...]) -> str:
    """Make a climbing ladder of three rungs, the first of which have runs in these states."""
    data = {"dataset_version_id": dataset.latest.id, "sha256": dataset.latest.sha256}
    specs = ladders.specs_of(runs.validate_spec({"data": data, "method": {"kind": "lora"}}), ladders.usual_rungs())
    run_ids = [make_run(live, dataset, state) for state in states]
    with transaction(live.session_factory) as session:
        ladder = ladders.Ladder(
            owner_id=LOCAL_ACTOR.id,
            name="A ladder",
            specs=[one.model_dump(mode="json") for one in specs],
            min_gain=0.02,
        )
        session.add(ladder)
        session.flush()
        for rung, run_id in enumerate(run_ids):
            run = session.get_one(Run, run_id)
            run.ladder_id, run.rung = ladder.id, rung
            run.initial_validation_loss, run.best_validation_loss = 3.1, 2.0 - rung / 2
            session.add(Stint(run_id=run_id, epoch=1, began=0.0, until=600.0 * (rung + 1), dollars_per_hour=2.0))
        return ladder.id


def _measured(run: Run, status: str) -> list[object]:
    losses = [("train/loss", step, 3 * math.exp(-step / 30), "num") for step in range(1, STEPS + 1)]
    rates = [("train/learning_rate", step, 1e-4, "num") for step in range(1, STEPS + 1)]
    validations = [("eval/loss", step, 0.1 + 3 * math.exp(-step / 30), "num") for step in range(0, STEPS + 1, 20)]
    broken = [("train/loss", STEPS + 1, None, "nan")] if status == "failed" else []
    points: list[object] = [
        Point(run_id=run.id, name=name, step=step, epoch=1, value=value, kind=kind, seq=100 + seq)
        for seq, (name, step, value, kind) in enumerate([*losses, *rates, *validations, *broken])
    ]
    texts = {"prompt": "<b>Say 3</b>", "expected": "It is 3", "answer": "It is"}
    answer = SampleAnswer(run_id=run.id, step=STEPS, position=0, epoch=1, row_number=3, **texts)
    warning = RunEvent(run_id=run.id, seq=9000, epoch=1, kind="warning", message="2 rows were cut.")
    return [*points, answer, warning]


def adapter_of(run: Run) -> Adapter:
    """An adapter without its file."""
    return Adapter(
        owner_id=LOCAL_ACTOR.id,
        run_id=run.id,
        name=run.name,
        kind="adapter",
        method=run.method,
        base_model=run.base_model,
        base_revision=None,
        step=STEPS,
        validation_loss=0.5,
        trained_parameters=1000,
        sha256="ab" * 32,
        size_bytes=1_600_000,
        storage_key="adapters/none.zip",
        files=[{"name": "adapter_model.safetensors", "size_bytes": 1_590_000, "sha256": "cd" * 32}],
    )
