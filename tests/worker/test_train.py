"""A whole attempt: what it says, what it leaves, and how it ends when something is wrong."""

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from studio.errors import InvalidInput, StorageFull
from studio.runs.events import Checkpointed, Exported, Failed
from studio.storage import sha256_of
from worker import train
from worker.failures import failure
from worker.finite import NonFinite
from worker.signals import EXIT_SAVED

from .conftest import ROWS, Assign, read_events, values_of

pytestmark = [pytest.mark.training]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "attempt-1"


def copy_base(base_folder: Path, target: Path) -> Path:
    target.mkdir()
    for path in base_folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


def test_an_attempt_tells_its_story_in_order(assign: Assign, folder: Path) -> None:
    assign(hyperparameters={"max_steps": 4}, evaluation={"every_steps": 2})

    code = train.main(folder)

    events = read_events(folder)
    assert code == 0
    assert [event.phase for event in events if event.t == "phase"] == [
        *("loading_model", "preparing_data", "training"),
        *("evaluating", "training", "evaluating", "training", "evaluating", "exporting"),
    ]
    assert [step for step, _ in values_of(events, "train/loss")] == [1, 2, 3, 4]
    assert [step for step, _ in values_of(events, "train/grad_norm")] == [1, 2, 3, 4]
    assert [step for step, _ in values_of(events, "eval/loss")] == [0, 2, 4]
    assert [event.step for event in events if event.t == "answers"] == [0, 2, 4]
    progress = [event for event in events if event.t == "progress"]
    assert (progress[-1].step, progress[-1].total_steps) == (4, 4)
    assert progress[-1].peak_memory_bytes > 50e6
    resolved = [event.config for event in events if event.t == "resolved"][-1]
    assert (resolved["train_rows"], resolved["validation_rows"], resolved["steps"]) == (6, 1, 4)
    assert 0 < resolved["trained_parameters"] < resolved["total_parameters"]
    assert {"loading_model", "preparing_data", "training", "evaluating", "exporting"} <= set(resolved["seconds"])


def test_the_archive_is_whole_and_nothing_is_pickled(assign: Assign, folder: Path) -> None:
    assignment = assign()

    train.main(folder)

    exported = read_events(folder)[-1]
    assert isinstance(exported, Exported)
    archive = folder / exported.archive
    assert (sha256_of(archive), archive.stat().st_size) == (exported.sha256, exported.size_bytes)
    assert exported.base_revision == "0123abc"
    left = [path.name for path in folder.rglob("*") if path.is_file()]
    assert not [name for name in left if re.search(r"\.(bin|pt|pth|pkl|pickle|ckpt)$", name)]
    assert {"best.safetensors", "weights.safetensors", "optimizer.safetensors", "state.json"} <= set(left)
    texts = [path.read_text() for path in (folder / "export").iterdir() if path.suffix != ".safetensors"]
    assert not [text for text in texts if str(assignment.base_model_folder.parent) in text]


def test_two_runs_of_a_spec_give_the_same_numbers_and_bytes(assign: Assign, folder: Path) -> None:
    found = []
    for _ in range(2):
        assign(method={"kind": "qlora"}, hyperparameters={"max_steps": 3})
        (folder / "events.jsonl").unlink(missing_ok=True)
        assert train.main(folder) == 0
        events = read_events(folder)
        found.append((values_of(events, "train/loss"), values_of(events, "eval/loss"), events[-1].sha256))

    assert found[0] == found[1]


def test_the_best_weights_are_exported_not_the_last(assign: Assign, folder: Path) -> None:
    # The validation row contradicts the rows that are learned, so its loss rises once they are.
    rows = [
        {"prompt": "Say a word.", "completion": " late" if number not in _validation_rows() else " order"}
        for number in range(8)
    ]
    assign(rows, hyperparameters={"max_steps": 12, "learning_rate": 2e-2}, evaluation={"every_steps": 1})

    train.main(folder)

    events = read_events(folder)
    losses = {step: loss for step, loss in values_of(events, "eval/loss") if step > 0}
    best = min(losses, key=lambda step: (losses[step], step))
    exported = events[-1]
    assert best < 12
    assert (exported.step, exported.validation_loss) == (best, losses[best])
    assert [event.step for event in events if event.t == "best"][-1] == best
    saved = load_file(folder / "checkpoints" / "best.safetensors")
    shipped = load_file(folder / "export" / "adapter_model.safetensors")
    assert torch.equal(next(iter(shipped.values())), next(iter(saved.values())))


def _validation_rows() -> tuple[int, ...]:
    from studio.datasets.splits import Split, split_rows

    return split_rows(8, Split(), "validation")


def test_a_loss_that_is_no_number_is_shown_and_ends_the_run(
    assign: Assign, folder: Path, base_folder: Path, tmp_path: Path
) -> None:
    broken = copy_base(base_folder, tmp_path / "broken")
    weights = load_file(broken / "model.safetensors")
    weights["model.norm.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    assign(base=broken)

    code = train.main(folder)

    events = read_events(folder)
    assert code == 1
    assert values_of(events, "train/loss") == [(1, "nan")]
    assert isinstance(events[-1], Failed)
    assert events[-1].kind == "non_finite"
    assert "The loss became NaN at step 1." in events[-1].reason


def test_rows_without_an_answer_end_as_bad_data(assign: Assign, folder: Path) -> None:
    question = {"role": "user", "content": "late " * 60}
    assign([{"messages": [question, {"role": "assistant", "content": "ok"}]}] * 4, data={"max_length_tokens": 16})

    code = train.main(folder)

    failed = read_events(folder)[-1]
    assert (code, failed.kind) == (1, "bad_data")
    assert "No row has an answer within its first 16 tokens" in failed.reason


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda base: (base / "config.json").write_text("{}"), "model"),
        (lambda base: (base / "model.safetensors").write_bytes(b"\x08"), "could not be loaded"),
        (lambda base: (base / "model.safetensors").unlink(), "no .safetensors file"),
        (lambda base: (base / "tokenizer.json").write_text("{"), "tokenizer could not be read"),
    ],
    ids=["config", "truncated", "no-weights", "tokenizer"],
)
def test_a_damaged_base_model_is_told_in_a_sentence(
    damage: Any, reason: str, assign: Assign, folder: Path, base_folder: Path, tmp_path: Path
) -> None:
    broken = copy_base(base_folder, tmp_path / "broken")
    damage(broken)
    assign(base=broken)

    code = train.main(folder)

    failed = read_events(folder)[-1]
    assert (code, failed.kind) == (1, "model_load")
    assert reason in failed.reason
    assert "Traceback" not in failed.reason


def test_layers_that_the_base_has_not_are_told(assign: Assign, folder: Path) -> None:
    assign(method={"kind": "lora", "targets": "no_such_layer"})

    assert train.main(folder) == 1

    failed = read_events(folder)[-1]
    assert failed.kind == "model_load"
    assert "no_such_layer" in failed.reason


def test_long_rows_are_noted(assign: Assign, folder: Path) -> None:
    rows = [
        *ROWS,
        {"messages": [*ROWS[0]["messages"], {"role": "user", "content": "late " * 80}, ROWS[0]["messages"][1]]},
    ]
    assign(rows * 2, data={"max_length_tokens": 64}, hyperparameters={"max_steps": 1})

    assert train.main(folder) == 0

    noted = [event.message for event in read_events(folder) if event.t == "note"]
    assert "2 rows are longer than 64 tokens and cut there." in noted


@pytest.mark.parametrize(
    "settings",
    [
        {"gradient_checkpointing": True},
        {"neftune_noise_alpha": 5.0},
        {"optimizer": "paged_adamw_8bit"},
        {"gradient_accumulation_steps": 3, "batch_size": 2, "scheduler": "linear", "warmup_fraction": 0.5},
    ],
    ids=["checkpointing", "neftune", "8bit-optimizer", "accumulation"],
)
@pytest.mark.parametrize("method", ["qlora", "prompt_tuning", "full"])
def test_every_setting_trains(settings: dict[str, Any], method: str, assign: Assign, folder: Path) -> None:
    assign(method={"kind": method}, hyperparameters={"max_steps": 2, **settings})

    assert train.main(folder) == 0

    assert len(values_of(read_events(folder), "train/loss")) == 2


def test_plain_text_trains_without_sample_answers(assign: Assign, folder: Path) -> None:
    assign([{"text": f"order {number} is late"} for number in range(8)], hyperparameters={"max_steps": 2})

    assert train.main(folder) == 0

    assert not [event for event in read_events(folder) if event.t == "answers"]


@pytest.mark.parametrize(
    ("error", "phase", "kind"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "training", "oom_gpu"),
        (MemoryError(), "training", "oom_host"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "loading_model", "oom_host"),
        (OSError(errno.ENOSPC, "No space left on device"), "exporting", "disk_full"),
        (StorageFull("The disk is full."), "exporting", "disk_full"),
        (NonFinite("The loss became NaN at step 3."), "training", "non_finite"),
        (InvalidInput("Row 3: bad."), "preparing_data", "bad_data"),
        (InvalidInput("No config."), "loading_model", "model_load"),
        (ZeroDivisionError(), "training", "internal"),
    ],
)
def test_every_error_becomes_a_kind_and_a_sentence(error: Exception, phase: Any, kind: str) -> None:
    failed = failure(error, phase)

    assert failed.kind == kind
    assert failed.reason.endswith(".")


def test_sigterm_saves_and_ends_a_trainer_run_by_hand(assign: Assign, folder: Path) -> None:
    assign(hyperparameters={"max_steps": 100_000})
    trainer = subprocess.Popen(
        [sys.executable, "-m", "worker.train", str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    deadline = time.monotonic() + 120
    while not _has_trained(folder):
        assert time.monotonic() < deadline
        assert trainer.poll() is None
        time.sleep(0.05)

    began = time.monotonic()
    trainer.send_signal(signal.SIGTERM)

    assert trainer.wait(timeout=5) == EXIT_SAVED
    assert time.monotonic() - began < 5
    assert isinstance(read_events(folder)[-1], Checkpointed)


def _has_trained(folder: Path) -> bool:
    events = folder / "events.jsonl"
    return events.is_file() and '"train/learning_rate"' in events.read_text()
