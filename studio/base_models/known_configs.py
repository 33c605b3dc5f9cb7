"""`config.json` of a base model as far as it is known without asking the Hub."""

import tomllib
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from studio.base_models.catalogue import HUB_ID_PATTERN, BaseModelFacts, curated, is_local, model_folder
from studio.base_models.config import read_config


def config_of(base_model_id: str, models_root: Path | None, models_dir: Path | None = None) -> dict[str, Any] | None:
    """What decides a base model's size, under the names of config.json; None for a Hub model that is not known here.

    The catalogue's are known before any download. `models_dir` holds what was downloaded from the Hub. Raises
    InvalidInput for a folder without a usable config.json.
    """
    if is_local(base_model_id):
        return read_config(model_folder(base_model_id, models_root))
    for facts in curated():
        if facts.id == base_model_id:
            return _curated_config(facts)
    found = _downloaded(base_model_id, models_dir)
    return read_config(found) if found else None


def is_here(base_model_id: str, models_dir: Path) -> bool:
    """Whether the weights need no download."""
    found = _downloaded(base_model_id, models_dir)
    return is_local(base_model_id) or (found is not None and any(found.glob("*.safetensors")))


def _curated_config(facts: BaseModelFacts) -> dict[str, Any]:
    return {
        "model_type": facts.model_type,
        "hidden_size": facts.hidden_size,
        "num_hidden_layers": facts.layers,
        "vocab_size": facts.vocabulary,
        "max_position_embeddings": facts.context_tokens,
        **_sizes()[facts.id],
    }


@lru_cache(maxsize=1)
def _sizes() -> dict[str, dict[str, Any]]:
    text = resources.files("studio.base_models").joinpath("configs.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _downloaded(base_model_id: str, models_dir: Path | None) -> Path | None:
    """The newest snapshot in the Hub's own layout of folders."""
    if models_dir is None or not HUB_ID_PATTERN.fullmatch(base_model_id):
        return None
    snapshots = models_dir / f"models--{base_model_id.replace('/', '--')}" / "snapshots"
    configs = [path for path in snapshots.glob("*/config.json") if path.is_file()]
    return max(configs, key=lambda path: path.stat().st_mtime).parent if configs else None
