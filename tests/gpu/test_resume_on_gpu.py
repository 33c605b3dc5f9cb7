"""On a GPU too a run goes on as if nothing had been: bit by bit in bfloat16, within a known distance over 4 bits."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import Trainer, TrainingArguments, get_scheduler

from tests.forking import STACK, preloaded
from tests.worker.resuming import LittleStudio, Shown
from worker.checkpoint import Checkpoints, load_optimizer, load_weights
from worker.start import Forkserver
from worker.state import Counters, DataReference, Report, State
from worker.trainer import OPTIMIZERS

from .conftest import AssignOnGpu

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]

EXACT: list[dict[str, Any]] = [{"kind": "lora", "dropout": 0.1}, {"kind": "dora", "dropout": 0.1}, {"kind": "full"}]
MOMENTS = ["pass 3", "pass 17", "fsync 12", "rename 1", "line 9"]


@pytest.fixture(scope="module")
def forkserver(tmp_path_factory: pytest.TempPathFactory) -> Forkserver:
    """Its children use CUDA, it does not."""
    return preloaded(STACK, tmp_path_factory.mktemp("logs"))


@pytest.mark.parametrize("method", EXACT, ids=lambda method: method["kind"])
def test_bfloat16_goes_on_bit_by_bit(
    method: dict[str, Any], forkserver: Forkserver, assign: AssignOnGpu, tmp_path: Path
) -> None:
    assignment = assign(method, gradient_accumulation_steps=2)
    alone = LittleStudio(forkserver, assignment, tmp_path / "alone").run([])

    for moment in MOMENTS:
        killed = LittleStudio(forkserver, assignment, tmp_path / moment.replace(" ", "-")).run([moment])

        assert killed.hex() == alone.hex(), moment
        assert killed.adapter_sha256 == alone.adapter_sha256, moment
        assert set(killed.notes) <= {""}


def test_a_4_bit_base_goes_on_within_the_oracle(forkserver: Forkserver, assign: AssignOnGpu, tmp_path: Path) -> None:
    """First loss behind the checkpoint within 1e-6, later ones within 5e-3, the last validation loss within twice
    the spread of five runs that nothing happened to."""
    assignment = assign({"kind": "qlora", "dropout": 0.1}, gradient_accumulation_steps=2)
    alone = [LittleStudio(forkserver, assignment, tmp_path / f"alone-{number}").run([]) for number in range(5)]
    finals = [float(shown.points["eval/loss", 10]) for shown in alone]
    # The same trajectory is the one that goes on: its own first half, so the losses before the kill are compared too.
    studio = LittleStudio(forkserver, assignment, tmp_path / "killed")
    studio.attempt(hit="pass 15 SIGKILL")
    before = dict(studio.shown.points)
    assert studio.committed is not None
    step = studio.committed.step

    shown = studio.run([])

    told = {key: value for key, value in before.items() if key[0] == "train/loss" and key[1] > step}
    assert told
    for (name, at), value in told.items():
        limit = 1e-6 if at == step + 1 else 5e-3
        assert abs(float(shown.points[name, at]) - float(value)) <= limit * max(1.0, abs(float(value))), at
    spread = max(finals) - min(finals)
    middle = sum(finals) / len(finals)
    assert abs(float(shown.points["eval/loss", 10]) - middle) <= max(2 * spread, 1e-6)
    assert all("4-bit base" in note for note in shown.notes)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on_with_the_same_bits(name: str, tmp_path: Path) -> None:
    whole = _model()
    _take_steps(whole, *_optimizer(whole, name, tmp_path), 0, 10)
    first = _model()
    optimizer, scheduler = _optimizer(first, name, tmp_path)
    _take_steps(first, optimizer, scheduler, 0, 5)
    Checkpoints(tmp_path / "checkpoints").write(first, optimizer, scheduler, _state(5), {})

    second = _model()
    folder = tmp_path / "checkpoints" / "step-00000005"
    optimizer, scheduler = _optimizer(second, name, tmp_path)
    load_weights(second, folder / "weights.safetensors")
    load_optimizer(optimizer, scheduler, folder, State.read(folder))
    paged = [getattr(state["state1"], "is_paged", False) for state in optimizer.state.values() if "state1" in state]
    _take_steps(second, optimizer, scheduler, 5, 10)

    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))
    assert any(paged) == name.startswith("paged")


def _model() -> nn.Module:
    torch.manual_seed(5)
    # Pages are used from 100,000 numbers on.
    return nn.Sequential(nn.Linear(256, 512), nn.Tanh(), nn.Linear(512, 16)).cuda()


def _optimizer(model: nn.Module, name: str, folder: Path) -> tuple[Any, Any]:
    arguments = TrainingArguments(output_dir=str(folder), optim=OPTIMIZERS[name], learning_rate=0.01)
    kind, keywords = Trainer.get_optimizer_cls_and_kwargs(arguments, model)
    optimizer = kind(model.parameters(), **keywords)
    return optimizer, get_scheduler("cosine", optimizer, num_warmup_steps=3, num_training_steps=10)


def _take_steps(model: nn.Module, optimizer: Any, scheduler: Any, first: int, stop: int) -> None:
    for step in range(first, stop):
        torch.manual_seed(step)
        model(torch.randn(8, 256, device="cuda")).pow(2).sum().backward()
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()


def _state(step: int) -> State:
    return State(
        step=step,
        data=DataReference(sha256="0" * 64, train_rows=6, validation_rows=1),
        threads=1,
        pending_evaluation=False,
        counters=Counters(),
        report=Report(),
        resolved={},
    )


def test_the_preflight_leaves_deterministic_algorithms_on(
    forkserver: Forkserver, assign: AssignOnGpu, tmp_path: Path
) -> None:
    studio = LittleStudio(forkserver, assign({"kind": "lora"}, max_steps=2), tmp_path / "alone")

    shown: Shown = studio.run([])

    assert shown.attempts == 1
    assert "No deterministic algorithm" not in studio.log()
