"""Reads a base model's `config.json` before transformers does, and refuses what could run code or is unknown.

`trust_remote_code=False` alone is not a boundary: CVE-2026-5241 overrode it from a nested config. So only plain
values of known architectures pass.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from studio.base_models.architectures import ARCHITECTURES
from studio.errors import InvalidInput

_PLAIN_TEXT = re.compile(r"^[A-Za-z0-9_.\-/ ]{0,96}$")
_LIMIT_BYTES = 1 << 20
_FORBIDDEN_KEYS = {
    "auto_map",
    "trust_remote_code",
    "custom_pipelines",
    "attn_implementation",
    "_attn_implementation",
}
_NESTED_KEYS = {"rope_scaling", "rope_parameters", "quantization_config", "id2label", "label2id"}


def read_config(folder: Path) -> dict[str, Any]:
    """Read and check `folder/config.json`; raises InvalidInput with the reason."""
    path = folder / "config.json"
    if not path.is_file():
        raise InvalidInput("The base model's folder has no config.json, so it cannot be a transformers model.")
    if path.stat().st_size > _LIMIT_BYTES:
        raise InvalidInput("The base model's config.json is over 1 MiB; that is not a plain model description.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"The base model's config.json is not valid JSON: {error}.") from error
    check_config(config)
    return dict(config)


def check_config(config: Any) -> None:
    """Refuse what is not a plain description of a known architecture."""
    if not isinstance(config, dict):
        raise InvalidInput("The base model's config.json must hold one JSON object.")
    if config.get("model_type") not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise InvalidInput(f"The base model's type {config.get('model_type')!r} is not supported; known are {known}.")
    for path, key, value in _leaves(config, "", 0):
        if key in _FORBIDDEN_KEYS and value is not None:
            raise InvalidInput(f"The base model's config.json sets {path}, which can run code; it is refused.")
        if isinstance(value, str) and not _PLAIN_TEXT.fullmatch(value):
            raise InvalidInput(f"The base model's config.json holds unusual text in {path}; it is refused.")


def check_weight_files(folder: Path) -> None:
    """Refuse a folder without safetensors weights."""
    if not any(folder.glob("*.safetensors")):
        raise InvalidInput(
            "The base model's folder has no .safetensors file. Weights in pickle formats (.bin, .pt) are not read, "
            "because opening them can run code; pick a model or revision with safetensors."
        )


def _leaves(value: dict[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, str, Any]]:
    if depth > 3:
        raise InvalidInput(f"The base model's config.json nests too deeply at {prefix}.")
    for key, item in value.items():
        path = f"{prefix}.{key}" if prefix else str(key)
        yield path, str(key), item
        if isinstance(item, dict):
            if depth == 0 and key not in _NESTED_KEYS:
                raise InvalidInput(f"The base model's config.json nests an unknown part, {path}; it is refused.")
            yield from _leaves(item, path, depth + 1)
        elif isinstance(item, list):
            for position, entry in enumerate(item):
                if isinstance(entry, dict | list):
                    raise InvalidInput(f"The base model's config.json nests a structure in {path}; it is refused.")
                yield f"{path}[{position}]", str(key), entry
