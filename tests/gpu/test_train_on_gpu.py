"""The paths that only a CUDA device takes: bfloat16, TRL's fused head, 8-bit optimizers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from studio.runs import parse_event, validate_spec
from worker import train
from worker.assignment import Assignment

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of 4 layers and 256 hidden units with random weights."""
    folder = tmp_path_factory.mktemp("models") / "small"
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    backend.train_from_iterator(
        ["My order is late."],
        trainers.BpeTrainer(special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False),
    )
    PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|endoftext|>").save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=512, hidden_size=256, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("method", ["full", "lora", "qlora", "dora", "ia3", "prompt_tuning"])
@pytest.mark.parametrize("optimizer", ["adamw", "paged_adamw_8bit"])
def test_a_method_learns_on_the_gpu(method: str, optimizer: str, base_folder: Path, tmp_path: Path) -> None:
    lines = [json.dumps({"text": f"order {number} is late"}).encode() + b"\n" for number in range(8)]
    starts = [sum(map(len, lines[:position])) for position in range(len(lines))]
    (tmp_path / "rows.jsonl").write_bytes(b"".join(lines))
    (tmp_path / "rows.offsets").write_bytes(b"".join(start.to_bytes(8, "little") for start in starts))
    spec: dict[str, Any] = {
        "data": {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64, "max_length_tokens": 64},
        "method": {"kind": method},
        "hyperparameters": {"learning_rate": 1e-2, "max_steps": 10, "optimizer": optimizer, "scheduler": "constant"},
    }
    Assignment(
        run_id="run_1",
        epoch=1,
        run_name="On a GPU",
        spec=validate_spec(spec),
        base_model_folder=base_folder,
        base_revision=None,
        rows_path=tmp_path / "rows.jsonl",
        offsets_path=tmp_path / "rows.offsets",
        row_count=len(lines),
        canonical="text",
        dataset_name="Late orders",
    ).write(tmp_path)

    assert train.main(tmp_path) == 0

    events = [parse_event(line) for line in (tmp_path / "events.jsonl").read_bytes().splitlines()]
    losses = [event.values["train/loss"] for event in events if event.t == "measured" and "train/loss" in event.values]
    assert losses[-1] < losses[0]
    resolved = [event.config for event in events if event.t == "resolved"][-1]
    assert (resolved["device_kind"], resolved["compute_dtype"]) == ("cuda", "bfloat16")
