"""Every method is trained for real, exported, and loaded again by plain transformers and peft."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, set_seed

from studio.methods import METHODS, OverAnyBase
from worker.event_log import EventLog
from worker.hardware import choose_hardware
from worker.leaving import Orders
from worker.model import Loaded, keep_trainable, load_model, quantization_config, trained
from worker.train import train

from .conftest import Assign, read_events, values_of

pytestmark = [pytest.mark.training]

OPTIONS: list[dict[str, Any]] = [
    {"kind": "lora", "base_bits": 4, "quantization_type": "fp4", "double_quantization": False},
    {"kind": "lora", "rslora": True, "targets": "attention"},
    {"kind": "lora", "initialisation": "pissa", "rank": 8, "alpha": 8},
    {"kind": "lora", "initialisation": "pissa", "rank": 8, "alpha": 8, "rslora": True},
    {"kind": "prompt_tuning", "initialisation": "text", "initial_text": "Sort the message into an intent."},
]
PRECISIONS: list[dict[str, Any]] = [
    {"kind": kind, "base_bits": bits}
    for kind, method in METHODS.items()
    if issubclass(method, OverAnyBase)
    for bits in (16, 8, 4)
]
WHOLE = [{"kind": kind} for kind, method in METHODS.items() if not issubclass(method, OverAnyBase)]


def _name(method: dict[str, Any]) -> str:
    return "-".join(str(value) for value in method.values())[:40]


@pytest.mark.parametrize("method", [*WHOLE, *PRECISIONS, *OPTIONS], ids=_name)
def test_a_method_learns_and_its_archive_reproduces_the_logits(
    method: dict[str, Any], assign: Assign, tmp_path: Path
) -> None:
    rate = max(1e-2, 10 * METHODS[method["kind"]].default_learning_rate)
    assignment = assign(method=method, hyperparameters={"learning_rate": rate, "max_steps": 6})
    folder = tmp_path / "attempt-1"

    with EventLog(folder / "events.jsonl") as events, Orders() as orders:
        result = train(assignment, folder, events, orders)

    losses = [float(loss) for _, loss in values_of(read_events(folder), "train/loss")]
    assert len(losses) == 6
    assert min(losses[3:]) < 0.95 * losses[0]
    _only_the_right_weights_changed(result.loaded, assignment)
    _archive_reproduces_the_logits(result.loaded, assignment, folder / "adapter.zip", tmp_path / "clean")


def _only_the_right_weights_changed(loaded: Loaded, assignment: Any) -> None:
    set_seed(assignment.spec.hyperparameters.seed)
    hardware = choose_hardware("auto", None)
    fresh = load_model(assignment.base_model_folder, assignment.spec, hardware).model
    before, after = dict(fresh.named_parameters()), dict(loaded.model.named_parameters())
    changes = {name for name in before if not torch.equal(before[name], after[name])}
    assert changes
    assert changes <= set(trained(fresh))


def _archive_reproduces_the_logits(loaded: Loaded, assignment: Any, archive: Path, clean: Path) -> None:
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(clean)
    ids = loaded.tokenizer("My order 3 is late.", return_tensors="pt").input_ids
    if assignment.spec.method.artifact == "model":
        again = AutoModelForCausalLM.from_pretrained(clean)
    else:
        base = AutoModelForCausalLM.from_pretrained(
            assignment.base_model_folder,
            dtype=torch.float32,
            quantization_config=quantization_config(assignment.spec, choose_hardware("auto", None)),
        )
        keep_trainable(base)
        again = PeftModel.from_pretrained(base, clean)
        settings = json.loads((clean / "adapter_config.json").read_text())
        assert settings["base_model_name_or_path"] == "demo"
        assert str(assignment.base_model_folder.parent) not in json.dumps(settings)
    with torch.no_grad():
        expected = loaded.model.eval()(input_ids=ids).logits
        found = again.eval()(input_ids=ids).logits
    # PiSSA's conversion adds and subtracts the same large product, which costs some digits.
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=2e-3)
