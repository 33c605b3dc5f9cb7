"""Writes the finished adapter (or model) as a fixed list of files and zips them once."""

import copy
import csv
import hashlib
import io
import json
import math
import os
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import PreTrainedTokenizerBase

from studio.runs.events import Exported
from studio.storage import disk_space_told, fsync_dir, sha256_of
from worker.assemble import Attempt
from worker.assignment import Assignment
from worker.card import Outcome, base_name, write_card
from worker.hardware import Hardware, versions
from worker.model import Weights
from worker.state import DataReference, Report

ARCHIVE_NAME = "adapter.zip"
EXPORT_FOLDER = "export"
# The zip format counts years from 1980; one fixed time makes the same files the same bytes.
_FIXED_TIME = (1980, 1, 1, 0, 0, 0)
_PIECE_BYTES = 1 << 20


def export(attempt: Attempt, reference: DataReference, report: Report, step: int, folder: Path) -> Exported:
    """Write the files of the result, then the archive; `step` is where training ended."""
    assignment, loaded = attempt.assignment, attempt.loaded
    step, loss = (report.best.step, report.best.loss) if report.best else (step, report.loss_at(step))
    outcome = Outcome(
        step=step,
        steps=attempt.plan.steps,
        first_validation_loss=next((value for _, name, value in report.points if name == "eval/loss"), None),
        validation_loss=loss,
        trained_parameters=loaded.trained_parameters,
        total_parameters=loaded.total_parameters,
        train_rows=reference.train_rows,
        validation_rows=reference.validation_rows,
        ended=report.ended,
    )
    target = folder / EXPORT_FOLDER
    with disk_space_told():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        write_weights(loaded.model, assignment, target, attempt.start)
        write_tokenizer(loaded.tokenizer, assignment, target)
        write_papers(target, assignment, outcome, attempt.hardware, report.points)
        files = write_checksums(target)
    sha256, size = write_archive(target, [file["name"] for file in files], folder / ARCHIVE_NAME)
    return Exported(
        archive=ARCHIVE_NAME,
        sha256=sha256,
        size_bytes=size,
        files=files,
        step=step,
        validation_loss=loss,
        trained_parameters=outcome.trained_parameters,
        base_revision=assignment.base_revision,
    )


def write_weights(model: Any, assignment: Assignment, folder: Path, start: Weights | None) -> None:
    """Write adapter or model; an adapter that changed the base becomes one for the published base."""
    if assignment.spec.method.artifact == "model":
        model.config.use_cache = True
        model.save_pretrained(folder)
        return
    config = copy.deepcopy(model.peft_config["default"])
    config.inference_mode = True
    config.base_model_name_or_path = base_name(assignment)
    config.revision = assignment.base_revision
    if getattr(config, "tokenizer_name_or_path", None):
        config.tokenizer_name_or_path = base_name(assignment)
    weights = get_peft_model_state_dict(model, save_embedding_layers=False)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    if start is not None:
        weights = _for_published_base(weights, start, config)
    save_file(weights, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config.save_pretrained(folder)


def _for_published_base(weights: Weights, start: Weights, config: Any) -> Weights:
    """Write the change B A - B0 A0 as one product of twice the rank: [B, -B0] [A; A0].

    Training ran on W - s B0 A0; so W + s (B A - B0 A0) is the same function on the published W. The scale s is
    alpha / rank (alpha / sqrt(rank) for rsLoRA) and must stay, so alpha grows with the rank.
    """
    config.lora_alpha *= math.sqrt(2) if config.use_rslora else 2
    config.r *= 2
    config.init_lora_weights = True
    joined = {}
    for name, tensor in weights.items():
        if "lora_A" in name:
            joined[name] = torch.cat([tensor, start[name]], dim=0)  # (2R, in)
        else:
            joined[name] = torch.cat([tensor, -start[name]], dim=1)  # (out, 2R)
    return joined


def write_papers(
    folder: Path,
    assignment: Assignment,
    outcome: Outcome,
    hardware: Hardware,
    points: Iterable[tuple[int, str, float]],
) -> None:
    """Write what a reader needs beside the weights: card, settings, versions, metrics."""
    found = versions()
    environment = {"versions": found, "device": hardware.device_name, "compute": hardware.compute_name}
    (folder / "README.md").write_text(write_card(assignment, outcome, found), encoding="utf-8")
    (folder / "training_config.yaml").write_text(assignment.spec.to_yaml(), encoding="utf-8")
    (folder / "environment.json").write_text(json.dumps(environment, indent=2) + "\n", encoding="utf-8")
    (folder / "metrics.csv").write_text(_csv(points), encoding="utf-8")


def write_tokenizer(tokenizer: PreTrainedTokenizerBase, assignment: Assignment, folder: Path) -> None:
    """Write the tokenizer with its inference template, and without the folder it was read from."""
    tokenizer.save_pretrained(folder)
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    for key in ("name_or_path", "local_files_only", "is_local"):
        settings.pop(key, None)
    path.write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    listed = assignment.base_model_folder / "special_tokens_map.json"
    if listed.is_file():
        shutil.copyfile(listed, folder / listed.name)


def write_checksums(folder: Path) -> list[dict[str, Any]]:
    """Write SHA256SUMS over all files and list them: name, size_bytes, sha256."""
    files = [_described(path) for path in sorted(folder.iterdir())]
    sums = folder / "SHA256SUMS"
    sums.write_text("".join(f"{file['sha256']}  {file['name']}\n" for file in files), encoding="utf-8")
    return [*files, _described(sums)]


def write_archive(folder: Path, names: Sequence[str], target: Path) -> tuple[str, int]:
    """Zip the named files uncompressed (weights do not shrink) with fixed times; returns sha256 and size."""
    temporary = target.with_name(f".{target.name}.tmp")
    with disk_space_told():
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name in names:
                _add(archive, folder / name)
        with temporary.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
        size = temporary.stat().st_size
        temporary.replace(target)
        fsync_dir(target.parent)
    return digest, size


def _add(archive: zipfile.ZipFile, path: Path) -> None:
    entry = zipfile.ZipInfo(path.name, _FIXED_TIME)
    entry.external_attr = 0o644 << 16
    entry.file_size = path.stat().st_size
    with path.open("rb") as reading, archive.open(entry, "w", force_zip64=entry.file_size > 2**31 - 1) as writing:
        shutil.copyfileobj(reading, writing, _PIECE_BYTES)


def _described(path: Path) -> dict[str, Any]:
    return {"name": path.name, "size_bytes": path.stat().st_size, "sha256": sha256_of(path)}


def _csv(points: Iterable[tuple[int, str, float]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("step", "metric", "value"))
    writer.writerows((step, name, repr(value)) for step, name, value in points)
    return stream.getvalue()
