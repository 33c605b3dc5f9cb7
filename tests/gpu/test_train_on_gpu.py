"""The paths that only a CUDA device takes: bfloat16, TRL's fused head, 8-bit optimizers."""

from pathlib import Path

import pytest
import torch

from studio.runs import parse_event
from worker import train

from .conftest import AssignOnGpu

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("method", ["full", "lora", "qlora", "dora", "ia3", "prompt_tuning"])
@pytest.mark.parametrize("optimizer", ["adamw", "paged_adamw_8bit"])
def test_a_method_learns_on_the_gpu(method: str, optimizer: str, assign: AssignOnGpu, tmp_path: Path) -> None:
    assign({"kind": method}, learning_rate=1e-2, optimizer=optimizer)
    folder = tmp_path / "attempt-1"

    assert train.main(folder) == 0

    events = [parse_event(line) for line in (folder / "events.jsonl").read_bytes().splitlines()]
    losses = [event.values["train/loss"] for event in events if event.t == "measured" and "train/loss" in event.values]
    assert losses[-1] < losses[0]
    resolved = [event.config for event in events if event.t == "resolved"][-1]
    assert (resolved["device_kind"], resolved["compute_dtype"]) == ("cuda", "bfloat16")
