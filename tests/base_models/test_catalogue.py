"""What is on offer as a base model."""

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from studio.base_models import ARCHITECTURES, catalogue, curated, get_base_model, list_base_models, model_folder
from studio.errors import InvalidInput


def make_folder(root: Path, name: str, *, header: bytes | None = None) -> Path:
    """A model folder with one tensor of 6 numbers."""
    folder = root / name
    folder.mkdir()
    config = {"model_type": "llama", "hidden_size": 2, "num_hidden_layers": 1, "vocab_size": 3}
    (folder / "config.json").write_text(json.dumps(config))
    plain = {"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, "__metadata__": {"format": "pt"}}
    header = json.dumps(plain).encode() if header is None else header
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(24))
    return folder


def test_the_curated_families_are_there() -> None:
    families = {facts.family for facts in curated()}

    assert families == {"Qwen", "Llama", "Mistral", "Gemma", "SmolLM", "Phi"}
    assert len({facts.id for facts in curated()}) == len(curated()) >= 20


@pytest.mark.parametrize("facts", curated(), ids=lambda facts: facts.id)
def test_every_curated_entry_has_its_facts(facts: object) -> None:
    plain = facts.model_dump()  # type: ignore[attr-defined]

    assert all(plain[name] for name in ("parameters", "layers", "hidden_size", "vocabulary", "context_tokens"))
    assert plain["license"] != "unknown" and plain["model_type"] in ARCHITECTURES


def test_a_folder_under_the_models_root_is_offered(tmp_path: Path) -> None:
    make_folder(tmp_path, "mine")

    facts = get_base_model("folder:mine", tmp_path)

    assert (facts.parameters, facts.layers, facts.hidden_size, facts.chat) == (6, 1, 2, False)
    assert facts in list_base_models(tmp_path)


def test_a_folder_that_is_no_model_is_not_offered(tmp_path: Path) -> None:
    make_folder(tmp_path, "broken", header=b"not json")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("x")

    assert [facts.id for facts in list_base_models(tmp_path) if facts.id.startswith("folder:")] == []


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").write_text('{"model_type": "llama", "hidden_size": "wide"}'),
        lambda folder: (folder / "config.json").write_bytes(b"\xff\xfe"),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b""),
        lambda folder: (folder / "model.safetensors").write_bytes(struct.pack("<Q", 12) + b'{"w": {"a":'),
        lambda folder: (folder / "model.safetensors").write_bytes(struct.pack("<Q", 9) + b'{"w": {}}'),
        lambda folder: (folder / "model.safetensors").write_bytes(struct.pack("<Q", 8) + b'{"w": 1}'),
        lambda folder: (folder / "model.safetensors").write_bytes(struct.pack("<Q", 18) + b'{"w":{"shape":"x"}}'),
        lambda folder: ((folder / "model.safetensors").unlink(), (folder / "model.safetensors").mkdir()),
        lambda folder: ((folder / "model.safetensors").unlink(), (folder / "model.safetensors").symlink_to("gone")),
        shutil.rmtree,
    ],
)
def test_a_broken_folder_or_demo_takes_only_itself_from_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], object]
) -> None:
    broken, demo = make_folder(tmp_path, "broken"), make_folder(tmp_path, "demo-base-model")
    monkeypatch.setattr(catalogue, "demo_folder", lambda: demo)
    make_folder(tmp_path, "whole")
    assert "demo" in [facts.id for facts in list_base_models(tmp_path)]
    spoil(broken)
    spoil(demo)

    offered = [facts.id for facts in list_base_models(tmp_path)]

    assert offered == ["folder:whole", *(facts.id for facts in curated())]
    for name in ("demo", "folder:broken"):
        with pytest.raises(InvalidInput):
            get_base_model(name, tmp_path)


def test_a_models_root_that_is_gone_offers_the_rest(tmp_path: Path) -> None:
    assert set(curated()) <= set(list_base_models(tmp_path / "gone"))


@pytest.mark.parametrize("name", ["../etc", "/etc", "a/b", "", "..", "nothing-there", "a\x00b"])
def test_a_name_never_leaves_the_models_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="There is no folder"):
        model_folder(f"folder:{name}", tmp_path)


def test_a_hub_id_outside_the_catalogue_is_taken_by_its_name() -> None:
    facts = get_base_model("someone/Qwen3-0.6B-tuned", None)

    assert (facts.label, facts.model_type, facts.parameters) == ("Qwen3-0.6B-tuned", "qwen3", None)


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "../x/y", "https://x/y", "a/", "a b/c"])
def test_what_is_no_id_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a base model"):
        get_base_model(name, None)


def test_a_header_that_lies_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, "liar")
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", 1 << 40))

    with pytest.raises(InvalidInput, match="its header says"):
        get_base_model("folder:liar", tmp_path)


def test_sizes_are_written_as_people_say_them() -> None:
    assert not [facts.id for facts in curated() if "e" in facts.size_label]
    assert [facts.size_label for facts in curated() if facts.id == "google/gemma-3-1b-it"] == ["1 B"]
