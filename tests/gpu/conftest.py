"""A small random base model, and attempts on it, for tests that need a CUDA device."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from studio.runs import validate_spec
from worker.assignment import Assignment

AssignOnGpu = Callable[..., Assignment]


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


@pytest.fixture
def assign(tmp_path: Path, base_folder: Path) -> AssignOnGpu:
    """Rows of plain text and an assignment for them; the first attempt's folder is made."""

    def make(method: dict[str, Any], **hyperparameters: Any) -> Assignment:
        lines = [json.dumps({"text": f"order {number} is late"}).encode() + b"\n" for number in range(24)]
        starts = [sum(map(len, lines[:position])) for position in range(len(lines))]
        (tmp_path / "rows.jsonl").write_bytes(b"".join(lines))
        (tmp_path / "rows.offsets").write_bytes(b"".join(start.to_bytes(8, "little") for start in starts))
        spec: dict[str, Any] = {
            "data": {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64, "max_length_tokens": 64},
            "method": method,
            "hyperparameters": {"learning_rate": 1e-3, "scheduler": "constant", "max_steps": 10} | hyperparameters,
            "evaluation": {"every_steps": 5},
        }
        assignment = Assignment(
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
            checkpoint_steps=3,
        )
        folder = tmp_path / "attempt-1"
        folder.mkdir(exist_ok=True)
        assignment.write(folder)
        return assignment

    return make
