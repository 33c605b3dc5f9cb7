"""How a trainer gives up: nothing that is no number reaches the weights, memory is tried first, a GPU has one user."""

import functools
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

import worker.train
from studio.runs import verify_folder
from studio.runs.events import Checkpointed, Failed
from worker.failures import failure
from worker.gpu_lock import GpuBusy, hold_gpu, lock_path
from worker.hardware import Hardware
from worker.losses import plain_losses
from worker.model import load_model, trained
from worker.preflight import preflight
from worker.signals import EXIT_GPU_BUSY
from worker.state import State
from worker.trainer import AnswerTrainer

from .conftest import Assign, make_spec, read_events, values_of

CPU = Hardware(device="cpu", device_name="a CPU", compute=torch.float32, threads=1)
OUT_OF_MEMORY = (
    "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.10 GiB of which 1.23 GiB is "
    "free. Process 123 has 77.86 GiB memory in use."
)
HOLD = """
import sys
from worker.gpu_lock import hold_gpu
with hold_gpu("0"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "attempt-1"


@pytest.mark.training
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_gradient_that_is_no_number_moves_no_weight(
    value: str, assign: Assign, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assignment = assign(hyperparameters={"max_steps": 8, "gradient_accumulation_steps": 2, "batch_size": 2})
    assignment.model_copy(update={"checkpoint_steps": 1}).write(folder)
    step_taken = AnswerTrainer.training_step

    def poison(trainer: AnswerTrainer, *arguments: Any, **keywords: Any) -> torch.Tensor:
        loss = step_taken(trainer, *arguments, **keywords)
        if trainer.state.global_step == 3:
            next(weight.grad for weight in trainer.model.parameters() if weight.grad is not None)[0, 0] = float(value)
        return loss

    monkeypatch.setattr(AnswerTrainer, "training_step", poison)

    code = worker.train.main(folder)

    events = read_events(folder)
    failed, saved = events[-1], [event for event in events if isinstance(event, Checkpointed)]
    assert isinstance(failed, Failed)
    assert (code, failed.kind) == (1, "non_finite")
    assert "gradient became" in failed.reason
    assert "at step 4" in failed.reason
    assert values_of(events, "train/grad_norm")[-1] == (4, value)
    assert [step for step, _ in values_of(events, "train/learning_rate")] == [1, 2, 3]
    assert saved[-1].step == 3
    verify_folder(folder / "checkpoints" / "step-00000003", saved[-1].manifest_sha256)
    assert State.read(folder / "checkpoints" / "step-00000003").step == 3


@pytest.mark.training
def test_a_loss_that_explodes_is_shown_at_its_step_and_the_weights_before_it_are_kept(
    assign: Assign, folder: Path
) -> None:
    spec = {"learning_rate": 1.0, "max_steps": 50, "max_gradient_norm": 1000.0, "weight_decay": 0.0}
    assignment = assign(method={"kind": "full"}, hyperparameters=spec, evaluation={"every_steps": 50})
    assignment.model_copy(update={"checkpoint_steps": 1}).write(folder)
    # One weight at the edge of float32: the step that pushes it over makes every later loss NaN.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(AnswerTrainer, "begin_step", _near_the_edge(AnswerTrainer.begin_step))
        code = worker.train.main(folder)

    events = read_events(folder)
    failed = events[-1]
    assert isinstance(failed, Failed)
    assert (code, failed.kind) == (1, "non_finite")
    saved = [event.step for event in events if isinstance(event, Checkpointed)]
    assert saved == [1, 2]
    assert max(step for step, _ in values_of(events, "train/learning_rate")) == 2


def _near_the_edge(begin_step: Any) -> Any:
    def begin(trainer: AnswerTrainer) -> None:
        begin_step(trainer)
        if trainer.state.global_step == 2:
            with torch.no_grad():
                next(iter(trained(trainer.model).values())).fill_(float("inf"))

    return begin


@pytest.mark.parametrize(
    ("message", "told"),
    [(OUT_OF_MEMORY, "2.00 GiB more were asked for and 1.23 GiB were free."), ("CUDA out of memory.", "measured.")],
)
def test_out_of_gpu_memory_tells_when_and_how_much(message: str, told: str) -> None:
    failed = failure(torch.OutOfMemoryError(message), "evaluating")

    assert failed.kind == "oom_gpu"
    assert "while the validation loss was measured" in failed.reason
    assert told in failed.reason


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated")
def test_the_preflight_runs_the_longest_batch_and_changes_nothing(base_folder: Path) -> None:
    model = load_model(base_folder, make_spec(method={"kind": "lora"}), CPU).model
    before = {name: weight.detach().clone() for name, weight in trained(model).items()}
    ids = torch.randint(5, 300, (2, 100))
    batch = {"input_ids": ids, "labels": ids.clone(), "attention_mask": torch.ones_like(ids)}

    preflight(model, plain_losses, batch, bytes_per_weight=8.0)

    assert all(torch.equal(before[name], weight) for name, weight in trained(model).items())
    assert all(weight.grad is None for weight in model.parameters())


def test_a_batch_that_does_not_fit_is_told_before_the_first_step() -> None:
    def too_large(model: Any, batch: Any) -> Any:
        raise torch.OutOfMemoryError(OUT_OF_MEMORY)

    with pytest.raises(torch.OutOfMemoryError) as refused:
        preflight(torch.nn.Linear(2, 2), too_large, {}, bytes_per_weight=8.0)

    assert "with the longest batch, before the first step: 2.00 GiB" in failure(refused.value, "training").reason


def test_where_no_deterministic_algorithm_is_any_other_is_taken() -> None:
    calls = []

    def picky(model: torch.nn.Module, batch: Any) -> Any:
        calls.append(torch.are_deterministic_algorithms_enabled())
        if calls[-1]:
            raise RuntimeError("cumsum_cuda_kernel does not have a deterministic implementation")
        return plain_sum(model)

    torch.use_deterministic_algorithms(True)
    try:
        preflight(torch.nn.Linear(2, 2), picky, {}, bytes_per_weight=0.0)
        assert calls == [True, False]
        assert not torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def plain_sum(model: torch.nn.Module) -> Any:
    from worker.losses import TokenLosses

    loss = model(torch.ones(1, 2)).sum()
    return TokenLosses(loss, loss, loss)


def test_a_gpu_has_one_trainer_and_is_free_when_that_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"TMPDIR": str(tmp_path)}
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b"held\n"

    with pytest.raises(GpuBusy, match="Another trainer holds GPU 0"), hold_gpu("0", wait_seconds=0.2):
        pass
    with hold_gpu("1", wait_seconds=0.2), hold_gpu(None):
        holder.kill()
    with hold_gpu("0,2", wait_seconds=5):
        assert lock_path("0").stat().st_mode & 0o777 == 0o666
    holder.wait()
    holder.stdout.close()
    holder.stdin.close()


def test_a_planted_link_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    lock_path("0").symlink_to(tmp_path / "target")

    with pytest.raises(OSError, match="symbolic links"), hold_gpu("0", wait_seconds=0):
        pass

    assert not (tmp_path / "target").exists()


@pytest.mark.training
def test_a_busy_gpu_is_told_by_the_exit_code(
    assign: Assign, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assign().model_copy(update={"gpu": "7"}).write(folder)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(worker.train, "hold_gpu", functools.partial(hold_gpu, wait_seconds=0.1))

    with hold_gpu("7"):
        code = worker.train.main(folder)

    assert code == EXIT_GPU_BUSY
    assert not [event for event in read_events(folder) if event.t == "failed"]
