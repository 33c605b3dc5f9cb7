"""The demo base model is small, safe to load, and able to write any text."""

import json
import math
from pathlib import Path

import pytest
from safetensors import safe_open
from transformers import AutoTokenizer, PreTrainedTokenizerBase

MODEL = Path(__file__).parents[2] / "examples" / "demo-base-model"


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(MODEL, local_files_only=True)


def test_the_folder_holds_what_transformers_needs_and_nothing_else() -> None:
    assert {path.name for path in MODEL.iterdir()} == {
        "README.md",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }


def test_the_weights_are_small() -> None:
    weights = MODEL / "model.safetensors"
    with safe_open(weights, framework="pt") as tensors:
        parameters = sum(math.prod(tensors.get_slice(name).get_shape()) for name in tensors.keys())  # noqa: SIM118

    assert weights.stat().st_size <= 12_000_000
    assert 3_000_000 <= parameters <= 6_000_000


def test_the_config_is_a_plain_llama() -> None:
    config = json.loads((MODEL / "config.json").read_text())

    assert config["model_type"] == "llama"
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert "auto_map" not in config


def test_the_chat_template_renders_a_conversation(tokenizer: PreTrainedTokenizerBase) -> None:
    conversation = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello!"}]

    text = tokenizer.apply_chat_template(conversation, tokenize=False, add_generation_prompt=True)

    assert text == (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n"
    )
    assert "generation" not in (tokenizer.chat_template or "").replace("add_generation_prompt", "")


@pytest.mark.parametrize(
    "text", ["plain", " two  spaces\n\ttab ", "Grüße, 你好, مرحبا, 🦦", '{"a": [1, 2.5]}', "\x00\x7f"]
)
def test_the_tokenizer_gives_any_text_back(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_an_answer_ends_with_one_special_token(tokenizer: PreTrainedTokenizerBase) -> None:
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.pad_token == "<|endoftext|>"
    assert len(tokenizer.encode("<|im_start|><|im_end|><|endoftext|>", add_special_tokens=False)) == 3
