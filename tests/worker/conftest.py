"""A tiny random base model with a ChatML template, and assignments for it; real parts, seconds each."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

from studio.datasets import SplitName
from studio.runs import RunSpec, parse_event, validate_spec
from studio.runs.events import Event
from studio.runs.folders import EVENTS_FILE
from tests.worker.benches import bench, forkserver, models_root, tiny_run
from tests.worker.hub import Hub, serve_hub
from tests.worker.workers import queue, start_worker
from worker.assignment import Assignment
from worker.rows import NumberedRow, sources

__all__ = ["bench", "forkserver", "models_root", "queue", "start_worker", "tiny_run"]

CHATML = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
ROWS = [
    {
        "messages": [
            {"role": "user", "content": f"My order {number} is late."},
            {"role": "assistant", "content": '{"intent": "delivery"}'},
        ]
    }
    for number in range(8)
]

Assign = Callable[..., Assignment]


def save_tokenizer(folder: Path, chat_template: str | None = CHATML) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer of 320 tokens."""
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(["user assistant system\nMy order is late. intent delivery"] * 8, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        chat_template=chat_template,
    )
    tokenizer.save_pretrained(folder)
    return tokenizer


def choose_rows(assignment: Assignment, split: SplitName, limit: int | None) -> list[NumberedRow]:
    """Read at most `limit` rows of a split of the first dataset."""
    first = sources(assignment)[0]
    return list(first.read(first.choose_places(split, limit, seed=assignment.spec.hyperparameters.seed)))


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Train tiny models on one thread: with two, on busy cores, threads wait for each other 5 times as long."""
    if request.node.get_closest_marker("training"):
        monkeypatch.setattr("worker.hardware.available_cores", lambda: 1)


@pytest.fixture(scope="session")
def base_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of 2 layers and 64 hidden units with random weights."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tokenizer = save_tokenizer(folder)
    set_seed(3)
    config = LlamaConfig(
        vocab_size=320,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    # Wider than the default 0.02, so that the output depends on the input and adapters have something to turn.
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, 0.15)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tokenizer(base_folder: Path) -> Any:
    """The tiny model's tokenizer; do not change it."""
    return AutoTokenizer.from_pretrained(base_folder)


def make_spec(**parts: Any) -> RunSpec:
    """A spec for the tiny model: 8 rows, full batches, quick steps."""
    data = {"dataset_version_id": "dsv_" + "0" * 26, "sha256": "0" * 64, "max_length_tokens": 128}
    return validate_spec(
        {
            "data": data | parts.pop("data", {}),
            "method": parts.pop("method", {"kind": "lora"}),
            "hyperparameters": {
                "learning_rate": 1e-2,
                "max_steps": 4,
                "batch_size": 4,
                "gradient_accumulation_steps": 1,
                "scheduler": "constant",
                "warmup_fraction": 0.0,
            }
            | parts.pop("hyperparameters", {}),
            "evaluation": {"sample_prompts": 1, "sample_tokens": 4} | parts.pop("evaluation", {}),
            **parts,
        }
    )


@pytest.fixture
def assign(tmp_path: Path, base_folder: Path) -> Assign:
    """Write rows and an assignment into a folder of an attempt."""

    def make(rows: Sequence[dict[str, Any]] = ROWS, *, base: Path = base_folder, **parts: Any) -> Assignment:
        folder = tmp_path / "attempt-1"
        folder.mkdir(exist_ok=True)
        lines = [json.dumps(row).encode() + b"\n" for row in rows]
        starts = [sum(map(len, lines[:position])) for position in range(len(lines))]
        (tmp_path / "rows.jsonl").write_bytes(b"".join(lines))
        (tmp_path / "rows.offsets").write_bytes(b"".join(start.to_bytes(8, "little") for start in starts))
        assignment = Assignment(
            run_id="run_1",
            epoch=1,
            run_name="A tiny run",
            spec=make_spec(**parts),
            base_model_folder=base,
            base_revision="0123abc",
            rows_path=tmp_path / "rows.jsonl",
            offsets_path=tmp_path / "rows.offsets",
            row_count=len(rows),
            canonical="messages",
            dataset_name="Late orders",
        )
        assignment.write(folder)
        return assignment

    return make


def read_events(folder: Path) -> list[Event]:
    """Everything a trainer said."""
    return [parse_event(line) for line in (folder / EVENTS_FILE).read_bytes().splitlines()]


def values_of(events: Sequence[Event], name: str) -> list[tuple[int, Any]]:
    """The series of one metric."""
    return [(event.step, event.values[name]) for event in events if event.t == "measured" and name in event.values]


@pytest.fixture(scope="module")
def hub_server() -> Iterator[Hub]:
    """The server of all tests of a file."""
    with serve_hub() as server:
        yield server


@pytest.fixture
def hub(hub_server: Hub, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A Hub that offers nothing yet; a trainer that another test has run in this process is offline for good."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    for known in (hub_server.models, hub_server.datasets, hub_server.asked):
        known.clear()
    return hub_server
