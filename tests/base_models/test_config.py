"""`config.json` is read by us before transformers sees it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.base_models import check_config, check_weight_files, read_config
from studio.errors import InvalidInput

GOOD = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "rope_scaling": {"type": "linear"},
}


def test_a_plain_config_passes() -> None:
    check_config(GOOD)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model_type": "lightglue"}, "is not supported"),
        ({"model_type": None}, "is not supported"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "can run code"),
        ({"trust_remote_code": True}, "can run code"),
        ({"attn_implementation": "owner/kernel"}, "can run code"),
        ({"rope_scaling": {"auto_map": "x"}}, "can run code"),
        ({"text_config": {"model_type": "llama"}}, "nests an unknown part"),
        ({"architectures": ["X\nimport os"]}, "unusual text in architectures"),
        ({"rope_scaling": {"type": "a\x00b"}}, "unusual text"),
        ({"layer_types": [{"a": 1}]}, "nests a structure"),
        ({"rope_scaling": {"a": {"b": {"c": {"d": 1}}}}}, "nests too deeply"),
    ],
)
def test_what_could_run_code_is_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(InvalidInput, match=sentence):
        check_config({**GOOD, **change})


@given(st.text(alphabet=st.characters(max_codepoint=31), min_size=1))
def test_no_control_character_passes(text: str) -> None:
    with pytest.raises(InvalidInput):
        check_config({**GOOD, "hidden_act": text})


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[]", "one JSON object"),
        (b'{"a":' + b"[" * 100_000, "not valid JSON"),
        (b" " * (2 << 20), "over 1 MiB"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    (tmp_path / "config.json").write_bytes(content)

    with pytest.raises(InvalidInput, match=sentence):
        read_config(tmp_path)


def test_an_absent_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"has no config\.json"):
        read_config(tmp_path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(GOOD))
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")

    with pytest.raises(InvalidInput, match=r"no \.safetensors file"):
        check_weight_files(tmp_path)
