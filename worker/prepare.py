"""Before a trainer starts: its checkpoint is whole, its rows are those of the spec, base model and disk are there."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from studio import base_models, runs
from studio.datasets import Split, codes_key, offsets_key, rows_key
from studio.errors import InvalidInput, NotFound
from studio.runs import Checkpoint, Run
from studio.storage import free_bytes, sha256_of
from worker.assignment import Assignment, MixFiles
from worker.bench import Bench
from worker.order import Found, Order
from worker.outcome import AttemptOver, Fail
from worker.paying import Paying
from worker.writer import Writer

log = logging.getLogger(__name__)

Check = Callable[[], None]
Download = Callable[[Order], Found]


@dataclass(frozen=True, slots=True)
class Start:
    """Where an attempt begins."""

    run: Run
    dataset_name: str
    checkpoint: Checkpoint | None
    kept_bytes: int


def read_start(session: Session, lease: runs.Lease) -> Start:
    """Read the run and the checkpoint that it stands at."""
    run = session.get_one(Run, lease.run_id)
    size = select(func.sum(Checkpoint.size_bytes)).where(Checkpoint.run_id == run.id)
    return Start(
        run=run,
        dataset_name=run.dataset_version.dataset.name,
        checkpoint=runs.committed_checkpoint(session, run.id),
        kept_bytes=int(session.scalar(size) or 0),
    )


def find_checkpoint(bench: Bench, lease: runs.Lease, start: Start, *, writer: Writer, check: Check) -> Path | None:
    """The newest checkpoint that is whole, every byte of it; one that is not is forgotten, and the one before tried."""
    checkpoint = start.checkpoint
    while checkpoint is not None:
        folder = runs.checkpoint_folder(bench.settings.runs_dir, lease.run_id, checkpoint.epoch, checkpoint.step)
        try:
            runs.verify_folder(folder, checkpoint.manifest_sha256, check=check)
        except (runs.Damaged, OSError) as error:
            log.warning("%s: checkpoint %s cannot be used: %s", lease.run_id, folder, error)
            checkpoint = _forget(lease, checkpoint, writer)
        else:
            return folder
    return None


def prepare(
    bench: Bench,
    lease: runs.Lease,
    start: Start,
    paying: Paying,
    *,
    held_since: float,
    checkpoint: Path | None,
    check: Check,
    fetch: Download,
) -> Assignment:
    """Check everything that a trainer would trip over; raises AttemptOver with the sentence for the person."""
    run, version, settings = start.run, start.run.dataset_version, bench.settings
    spec = run.run_spec
    rows, offsets = _checked_rows(bench, spec.data.sha256, check)
    codes = _checked_codes(bench, spec.data.split, check)
    mix = tuple(_checked_part(bench, part, check) for part in spec.data.mix)
    folder, revision = _base_model(bench, spec, fetch)
    _refuse_full_disk(bench, spec, folder, start.kept_bytes)
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
        dataset_name=start.dataset_name,
        split_codes_path=codes,
        mix=mix,
        gpu=settings.gpu,
        checkpoint=checkpoint,
        keep_only=(run.desired == "keep" or paying.is_spent) and checkpoint is not None,
        purpose=run.kind,
        license_statement=run.license_statement,
        cap=paying.cap,
        held_since=held_since,
        dollars_per_hour=paying.dollars_per_hour,
        checkpoint_steps=settings.checkpoint_steps,
        checkpoint_seconds=settings.checkpoint_seconds,
        token_cache=settings.token_cache_dir,
    )


def _forget(lease: runs.Lease, damaged: Checkpoint, writer: Writer) -> Checkpoint | None:
    return writer.write(lambda session: runs.fall_back(session, lease, damaged))


def _checked_part(bench: Bench, part: runs.MixPart, check: Check) -> MixFiles:
    rows, offsets = _checked_rows(bench, part.sha256, check)
    return MixFiles(rows_path=rows, offsets_path=offsets, split_codes_path=_checked_codes(bench, part.split, check))


def _checked_rows(bench: Bench, sha256: str, check: Check) -> tuple[Path, Path]:
    try:
        rows, offsets = bench.storage.path(rows_key(sha256)), bench.storage.path(offsets_key(sha256))
    except NotFound as error:
        raise AttemptOver(Fail("bad_data", error.message)) from error
    if sha256_of(rows, check) != sha256:
        sentence = (
            "The dataset's rows on disk are not those that the spec names: their SHA-256 differs. The file was changed "
            "or damaged; upload the dataset again."
        )
        raise AttemptOver(Fail("bad_data", sentence))
    return rows, offsets


def _checked_codes(bench: Bench, split: Split, check: Check) -> Path | None:
    """The file that says which rows are held out, where a version has inherited it."""
    sha256 = split.codes_sha256
    if sha256 is None:
        return None
    try:
        codes = bench.storage.path(codes_key(sha256))
    except NotFound as error:
        raise AttemptOver(Fail("bad_data", error.message)) from error
    if sha256_of(codes, check) != sha256:
        sentence = (
            "The split on disk is not the one that the spec names: its SHA-256 differs. Restore it from a backup, or "
            "apply the fixes of this version again."
        )
        raise AttemptOver(Fail("bad_data", sentence))
    return codes


def _base_model(bench: Bench, spec: runs.RunSpec, fetch: Download) -> tuple[Path, str | None]:
    choice, settings = spec.base_model, bench.settings
    try:
        if base_models.is_local(choice.id):
            folder = base_models.model_folder(choice.id, settings.models_root)
            base_models.read_config(folder)
            base_models.check_weight_files(folder)
            return folder, None
    except InvalidInput as error:
        raise AttemptOver(Fail("model_load", error.message)) from error
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


def _refuse_full_disk(bench: Bench, spec: runs.RunSpec, base_folder: Path, kept_bytes: int) -> None:
    """The checkpoints that the run has already are part of what it needs."""
    base_bytes = sum(path.stat().st_size for path in base_folder.glob("*.safetensors"))
    needed = runs.needed_bytes(spec, base_bytes, bench.settings.keep_checkpoints) - kept_bytes
    free = free_bytes(bench.settings.runs_dir)
    if free < needed:
        sentence = (
            f"This run needs up to {needed / 1e9:.1f} GB of disk for checkpoints and its result, and the data folder "
            f"has {free / 1e9:.1f} GB. Free some space, then run again."
        )
        raise AttemptOver(Fail("disk_full", sentence))
