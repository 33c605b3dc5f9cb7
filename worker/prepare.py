"""Before a trainer starts: the rows are those of the spec, the base model is here, and the disk has room."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from studio import base_models, runs
from studio.datasets import DatasetVersion
from studio.errors import InvalidInput, NotFound
from studio.runs import Run
from studio.storage import free_bytes
from worker.assignment import Assignment
from worker.attempt import RunFailed
from worker.bench import Bench
from worker.order import Found, Order

Check = Callable[[], None]
Download = Callable[[Order], Found]

_HEADROOM_BYTES = 256 << 20
# A 16-bit base has 2 bytes a weight. Full training keeps best and last checkpoint and writes a third before it
# deletes (3 x 12 bytes: float32 weights and two moments), then export, archive and stored copy (3 x 4 bytes): 24 x.
_FULL_TIMES_BASE = 24
# Adapters and their moments are a few per cent of the weights; a quarter covers rank 512.
_ADAPTER_SHARE_OF_BASE = 0.25


def prepare(bench: Bench, lease: runs.Lease, *, check: Check, fetch: Download) -> Assignment:
    """Check everything that a trainer would trip over; raises RunFailed with the sentence for the person."""
    with bench.session_factory() as session:
        run = session.get_one(Run, lease.run_id)
        version = run.dataset_version
        dataset_name = version.dataset.name
    spec = run.run_spec
    rows, offsets = _checked_rows(bench, version, spec.data.sha256, check)
    folder, revision = _base_model(bench, spec, fetch)
    _refuse_full_disk(bench, spec, folder)
    return Assignment(
        run_id=run.id,
        epoch=lease.epoch,
        run_name=run.name,
        spec=spec,
        base_model_folder=folder,
        base_revision=revision,
        rows_path=rows,
        offsets_path=offsets,
        row_count=version.row_count,
        canonical=version.canonical,
        dataset_name=dataset_name,
        gpu=bench.settings.gpu,
    )


def _checked_rows(bench: Bench, version: DatasetVersion, sha256: str, check: Check) -> tuple[Path, Path]:
    try:
        rows, offsets = bench.storage.path(version.rows_key), bench.storage.path(version.offsets_key)
    except NotFound as error:
        raise RunFailed("bad_data", error.message) from error
    if _sha256_of(rows, check) != sha256:
        raise RunFailed(
            "bad_data",
            "The dataset's rows on disk are not those that the spec names: their SHA-256 differs. The file was changed "
            "or damaged; upload the dataset again.",
        )
    return rows, offsets


def _sha256_of(path: Path, check: Check) -> str:
    """As `studio.storage.sha256_of`, with a look at every 8 MiB whether the run still goes on."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(8 << 20):
            digest.update(piece)
            check()
    return digest.hexdigest()


def _base_model(bench: Bench, spec: runs.RunSpec, fetch: Download) -> tuple[Path, str | None]:
    choice, settings = spec.base_model, bench.settings
    try:
        if base_models.is_local(choice.id):
            folder = base_models.model_folder(choice.id, settings.models_root)
            base_models.read_config(folder)
            base_models.check_weight_files(folder)
            return folder, None
    except InvalidInput as error:
        raise RunFailed("model_load", error.message) from error
    settings.models_dir.mkdir(parents=True, exist_ok=True)
    found = fetch(
        Order(
            model_id=choice.id,
            revision=choice.revision,
            endpoint=settings.hub_endpoint,
            models_dir=settings.models_dir,
            token=bench.hub_token,
        )
    )
    return found.folder, found.revision


def _refuse_full_disk(bench: Bench, spec: runs.RunSpec, base_folder: Path) -> None:
    base_bytes = sum(path.stat().st_size for path in base_folder.glob("*.safetensors"))
    share = _FULL_TIMES_BASE if spec.method.artifact == "model" else _ADAPTER_SHARE_OF_BASE
    needed = int(base_bytes * share) + _HEADROOM_BYTES
    free = free_bytes(bench.settings.runs_dir)
    if free < needed:
        raise RunFailed(
            "disk_full",
            f"This run needs up to {needed / 1e9:.1f} GB of disk for checkpoints and its result, and the data folder "
            f"has {free / 1e9:.1f} GB. Free some space, then run again.",
        )
