"""Checkpoints: every optimizer goes on with the same bits, nothing is pickled, a failed write harms nothing."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import Trainer, TrainingArguments, get_scheduler

import worker.checkpoint
from studio.runs import verify_folder
from worker.checkpoint import Checkpoints, load_optimizer, load_weights
from worker.failures import failure
from worker.packing import pack, unpack
from worker.state import Best, Counters, DataReference, Report, State
from worker.trainer import OPTIMIZERS

pytestmark = pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
OPERATIONS = [(os, "fsync"), (os, "link"), (Path, "rename"), (Path, "open"), (Path, "mkdir")]


def make_model() -> nn.Module:
    torch.manual_seed(5)
    # 8-bit states begin at 4,096 numbers; smaller ones stay in float32.
    return nn.Sequential(nn.Linear(32, 256), nn.Tanh(), nn.Linear(256, 16))


def make_optimizer(model: nn.Module, name: str, folder: Path) -> tuple[Any, Any]:
    """The optimizer as transformers makes it, with two groups, and a schedule that moves at each step."""
    arguments = TrainingArguments(output_dir=str(folder), optim=OPTIMIZERS[name], learning_rate=0.01, use_cpu=True)
    kind, keywords = Trainer.get_optimizer_cls_and_kwargs(arguments, model)
    weights = [weight for weight in model.parameters() if weight.dim() > 1]
    biases = [weight for weight in model.parameters() if weight.dim() == 1]
    groups = [{"params": weights, "weight_decay": 0.1}, {"params": biases, "weight_decay": 0.0}]
    optimizer = kind(groups, **keywords)
    return optimizer, get_scheduler("cosine", optimizer, num_warmup_steps=3, num_training_steps=10)


def take_steps(model: nn.Module, optimizer: Any, scheduler: Any, first: int, stop: int) -> None:
    for step in range(first, stop):
        torch.manual_seed(step)
        model(torch.randn(8, 32)).pow(2).sum().backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()


def make_state(step: int, **changes: Any) -> State:
    parts: dict[str, Any] = {
        "step": step,
        "data": DataReference(sha256="0" * 64, train_rows=6, validation_rows=1),
        "threads": 1,
        "pending_evaluation": False,
        "counters": Counters(),
        "report": Report(),
        "resolved": {},
    }
    return State(**(parts | changes))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_five_steps_a_checkpoint_and_five_more_are_ten(name: str, tmp_path: Path) -> None:
    whole = make_model()
    take_steps(whole, *make_optimizer(whole, name, tmp_path), 0, 10)
    first = make_model()
    optimizer, scheduler = make_optimizer(first, name, tmp_path)
    take_steps(first, optimizer, scheduler, 0, 5)
    Checkpoints(tmp_path / "checkpoints").write(first, optimizer, scheduler, make_state(5), {})

    second = make_model()
    folder = tmp_path / "checkpoints" / "step-00000005"
    optimizer, scheduler = make_optimizer(second, name, tmp_path)
    load_weights(second, folder / "weights.safetensors")
    load_optimizer(optimizer, scheduler, folder, State.read(folder))
    take_steps(second, optimizer, scheduler, 5, 10)

    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))
    assert {path.suffix for path in folder.iterdir()} == {".safetensors", ".json"}


def test_the_best_weights_are_shared_until_there_are_better_ones(tmp_path: Path) -> None:
    model = make_model()
    parts = make_optimizer(model, "adamw", tmp_path)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    take_steps(model, *parts, 0, 1)
    checkpoints.keep_best(model, 1)
    for step in (1, 2, 3):
        checkpoints.write(model, *parts, make_state(step), {})
        take_steps(model, *parts, step, step + 1)

    best = [tmp_path / "checkpoints" / f"step-0000000{step}" / "best.safetensors" for step in (1, 2, 3)]
    assert len({path.stat().st_ino for path in best}) == 1
    assert best[0].samefile(best[0].with_name("weights.safetensors"))
    assert best[1].read_bytes() != best[1].with_name("weights.safetensors").read_bytes()


def test_a_state_keeps_every_bit_and_names_what_is_no_number(tmp_path: Path) -> None:
    torch.manual_seed(0)
    values = torch.randn(200, dtype=torch.float64).mul(1e-9).tolist()
    report = Report(
        points=[(step, "train/loss", value) for step, value in enumerate(values)],
        best=Best(step=3, loss=values[3]),
        last_loss=float("inf"),
    )

    make_state(1, report=report, resolved={"learning_rate": 1e-5, "nested": {"a": [None, True]}}).write(tmp_path)

    found = State.read(tmp_path)
    assert [value.hex() for _, _, value in found.report.points] == [value.hex() for value in values]
    assert (found.report, found.resolved["nested"]) == (report, {"a": [None, True]})


def test_packing_keeps_kinds_and_refuses_what_needs_pickle() -> None:
    tensors: dict[str, torch.Tensor] = {}
    state = {0: {"step": torch.tensor(3.0), "betas": (0.9, 0.999)}, "groups": [{"params": [0, 1], "lr": None}]}

    found = unpack(pack(state, tensors), tensors)

    assert found == state
    with pytest.raises(TypeError, match="without pickle"):
        pack({"fn": len}, {})


@pytest.fixture
def written(tmp_path: Path) -> tuple[Callable[[int], Any], Path, str]:
    """A way to write further checkpoints, and one that is whole already."""
    model = make_model()
    parts = make_optimizer(model, "adamw", tmp_path)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    take_steps(model, *parts, 0, 1)
    checkpoints.keep_best(model, 1)
    sha256, _ = checkpoints.write(model, *parts, make_state(1), {})
    take_steps(model, *parts, 1, 2)

    def write(step: int) -> Any:
        checkpoints.keep_best(model, step)
        return checkpoints.write(model, *parts, make_state(step), {})

    return write, tmp_path / "checkpoints" / "step-00000001", sha256


def test_a_limit_at_any_byte_leaves_the_previous_checkpoint_whole(
    written: tuple[Callable[[int], Any], Path, str],
) -> None:
    write, previous, sha256 = written
    largest = max(path.stat().st_size for path in previous.iterdir())
    limits = [*range(0, 4096, 512), *range(4096, largest, largest // 40)]

    for number, limit in enumerate(limits):
        with _largest_file(limit), pytest.raises(Exception) as refused:
            write(100 + number)

        assert failure(refused.value, "training").kind == "disk_full", limit
        verify_folder(previous, sha256)
        assert sorted(path.name for path in previous.parent.iterdir() if path.is_dir()) == [previous.name]
    write(2)
    verify_folder(previous.with_name("step-00000002"))
    print(f"file-size limits: {len(limits)} of {len(limits)} left the previous checkpoint whole")


@pytest.mark.parametrize("ends", ["disk-full", "power-cut"])
def test_any_call_may_be_the_last(
    ends: str, written: tuple[Callable[[int], Any], Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write, previous, sha256 = written
    calls = _count_calls(monkeypatch, lambda: write(2))
    if ends == "power-cut":
        monkeypatch.setattr(worker.checkpoint.shutil, "rmtree", lambda *a, **k: None)

    for number in range(calls):
        step = 100 + number
        with pytest.MonkeyPatch.context() as patched:
            _break_at(patched, number, ends)
            with pytest.raises((Exception, _Cut)):
                write(step)

        verify_folder(previous, sha256)
        final = previous.with_name(f"step-{step:08d}")
        # Only the sync behind the rename comes too late to undo it.
        assert not final.exists() or verify_folder(final)
    assert calls >= 10
    print(f"{ends}: {calls} of {calls} calls left the previous checkpoint whole")


class _Cut(BaseException):
    """The power is gone: nothing is tidied up."""


def _wrap(patch: pytest.MonkeyPatch, before: Callable[[], None]) -> None:
    for owner, name in [*OPERATIONS, (worker.checkpoint, "save_file")]:
        action = getattr(owner, name)

        def act(*arguments: Any, action: Any = action, **keywords: Any) -> Any:
            before()
            return action(*arguments, **keywords)

        patch.setattr(owner, name, act)


def _count_calls(monkeypatch: pytest.MonkeyPatch, write: Callable[[], Any]) -> int:
    calls = [0]

    def count() -> None:
        calls[0] += 1

    with pytest.MonkeyPatch.context() as patched:
        _wrap(patched, count)
        write()
    return calls[0]


def _break_at(patched: pytest.MonkeyPatch, number: int, ends: str) -> None:
    left = [number]

    def fail() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise _Cut if ends == "power-cut" else OSError(errno.ENOSPC, "No space left on device")

    _wrap(patched, fail)


@contextmanager
def _largest_file(size_bytes: int) -> Iterator[None]:
    """The kernel refuses to write beyond this, as it does on a full disk: EFBIG (setrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
