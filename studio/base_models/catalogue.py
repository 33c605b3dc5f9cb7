"""The base models on offer: a curated list, the bundled demo, and folders under the configured models root."""

import json
import math
import re
import tomllib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel as Pydantic
from pydantic import ConfigDict, ValidationError

from studio.base_models.architectures import ARCHITECTURES
from studio.base_models.config import check_weight_files, read_config
from studio.errors import InvalidInput

DEMO_ID = "demo"
FOLDER_PREFIX = "folder:"
HUB_ID_PATTERN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,95}/[A-Za-z0-9][A-Za-z0-9_.\-]{0,95}$")
FOLDER_NAME_PATTERN = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,95}$")


class BaseModelFacts(Pydantic):
    """What is known of a base model without loading it; unknown numbers are None, never guessed."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    id: str
    label: str
    family: str
    model_type: str = "llama"
    parameters: int | None = None
    layers: int | None = None
    hidden_size: int | None = None
    vocabulary: int | None = None
    context_tokens: int | None = None
    license: str = "unknown"
    gated: bool = False
    chat: bool = True
    note: str = ""

    @property
    def size_label(self) -> str:
        """Parameters as people say them: `4.1 M`, `0.6 B`."""
        if self.parameters is None:
            return "size unknown"
        # From here on three digits of millions round to 1,000.
        if self.parameters < 999.5e6:
            return f"{self.parameters / 1e6:.3g} M"
        return f"{self.parameters / 1e9:.3g} B"


@lru_cache(maxsize=1)
def curated() -> tuple[BaseModelFacts, ...]:
    """The entries of base_models.toml, in its order."""
    text = resources.files("studio.base_models").joinpath("base_models.toml").read_text(encoding="utf-8")
    return tuple(BaseModelFacts(**entry) for entry in tomllib.loads(text)["base_model"])


def demo_folder() -> Path:
    """Where the bundled demo base model lies: in the source tree, or in the installed package."""
    return Path(str(resources.files("examples"))) / "demo-base-model"


def list_base_models(models_root: Path | None) -> list[BaseModelFacts]:
    """Everything the launch form offers by name."""
    return [*_usable([(DEMO_ID, demo_folder())]), *_usable(_folders(models_root)), *curated()]


def get_base_model(base_model_id: str, models_root: Path | None) -> BaseModelFacts:
    """The facts of a base model; for a Hub id outside the catalogue only what its name says.

    Raises InvalidInput when the id is neither the demo, a folder that is there, nor of the form `owner/name`.
    """
    if base_model_id == DEMO_ID:
        return _facts_from_folder(DEMO_ID, demo_folder())
    if base_model_id.startswith(FOLDER_PREFIX):
        return _facts_from_folder(base_model_id, model_folder(base_model_id, models_root))
    for facts in curated():
        if facts.id == base_model_id:
            return facts
    if not HUB_ID_PATTERN.fullmatch(base_model_id):
        raise InvalidInput(
            f"{base_model_id!r} is not a base model. Pick one of the list, or give a Hub id such as Qwen/Qwen3-0.6B."
        )
    name = base_model_id.split("/")[1]
    return BaseModelFacts(id=base_model_id, label=name, family="from the Hub", model_type=_guess_type(name))


def model_folder(base_model_id: str, models_root: Path | None) -> Path:
    """The folder of the demo or of a `folder:` id; raises InvalidInput when it is not there."""
    if base_model_id == DEMO_ID:
        return demo_folder()
    name = base_model_id.removeprefix(FOLDER_PREFIX)
    if models_root is None or not FOLDER_NAME_PATTERN.fullmatch(name) or not (models_root / name).is_dir():
        raise InvalidInput(f"There is no folder {name!r} under the models root (TUNEWRIGHT_MODELS_ROOT).")
    return models_root / name


def is_local(base_model_id: str) -> bool:
    """Whether the weights are on this machine already, so that nothing is downloaded."""
    return base_model_id == DEMO_ID or base_model_id.startswith(FOLDER_PREFIX)


def _folders(models_root: Path | None) -> list[tuple[str, Path]]:
    """The folders under the models root, by their ids."""
    try:
        folders = sorted(models_root.iterdir()) if models_root else []
    except OSError:
        return []
    return [(FOLDER_PREFIX + folder.name, folder) for folder in folders if FOLDER_NAME_PATTERN.fullmatch(folder.name)]


def _usable(folders: Sequence[tuple[str, Path]]) -> Iterator[BaseModelFacts]:
    """The facts of those that are whole: one broken folder must not take the others from the list."""
    for base_model_id, folder in folders:
        try:
            yield _facts_from_folder(base_model_id, folder)
        except InvalidInput:
            continue


def _facts_from_folder(base_model_id: str, folder: Path) -> BaseModelFacts:
    """Read a folder; raises InvalidInput for whatever is wrong with it."""
    try:
        return _read_facts(base_model_id, folder)
    except OSError as error:
        raise InvalidInput(f"The folder of the base model cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        wrong = ", ".join(str(problem["loc"][0]) for problem in error.errors())
        raise InvalidInput(f"The base model's config.json has unusual values for {wrong}.") from error


def _read_facts(base_model_id: str, folder: Path) -> BaseModelFacts:
    config = read_config(folder)
    check_weight_files(folder)
    demo = base_model_id == DEMO_ID
    return BaseModelFacts(
        id=base_model_id,
        label="Demo base model" if demo else folder.name,
        family="Demo" if demo else "Folder",
        model_type=config["model_type"],
        parameters=_count_parameters(folder),
        layers=config.get("num_hidden_layers"),
        hidden_size=config.get("hidden_size"),
        vocabulary=config.get("vocab_size"),
        context_tokens=config.get("max_position_embeddings"),
        license="Apache-2.0" if demo else "unknown",
        chat=(folder / "chat_template.jinja").is_file(),
        note="A toy for trying the studio on a CPU." if demo else "",
    )


def _count_parameters(folder: Path) -> int:
    """Sum the shapes in the safetensors headers; the tensors themselves are not read."""
    return sum(_count_in_header(_safetensors_header(path)) for path in folder.glob("*.safetensors"))


def _safetensors_header(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        size = int.from_bytes(stream.read(8), "little")
        if not 0 < size <= 10 * 2**20:
            raise InvalidInput(f"{path.name} is not a safetensors file: its header says {size} bytes.")
        try:
            header = json.loads(stream.read(size))
        except ValueError as error:
            raise InvalidInput(f"{path.name} is not a safetensors file: its header is not JSON.") from error
    if not isinstance(header, dict):
        raise InvalidInput(f"{path.name} is not a safetensors file: its header is not an object.")
    return header


def _count_in_header(header: dict[str, Any]) -> int:
    try:
        return sum(math.prod(map(int, header[name]["shape"])) for name in header.keys() - {"__metadata__"})
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput("A safetensors file of the base model names a tensor without its shape.") from error


def _guess_type(name: str) -> str:
    lowered = name.lower().replace("-", "").replace(".", "")
    matches = [kind for kind in ARCHITECTURES if lowered.startswith(kind.replace("_text", ""))]
    return max(matches, key=len) if matches else "llama"
